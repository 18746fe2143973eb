{{/* Checks of traffic, scaling, network, and of what the production profile demands: the root context. */}}

{{- define "tritonkit.checksOfTraffic" -}}
{{- $gateway := .Values.gateway -}}
{{- if $gateway.enabled -}}
{{- if not $gateway.parentRefs -}}
{{- include "tritonkit.problem" (list "gateway.parentRefs" "is empty" "name the Gateway: parentRefs: [{name: GATEWAY, namespace: NAMESPACE}]") -}}
{{- end -}}
{{- if not (or $gateway.http.enabled $gateway.grpc.enabled) -}}
{{- include "tritonkit.problem" (list "gateway.enabled" "gives no route: http and grpc are both off" "turn one of them on") -}}
{{- end -}}
{{- if and $gateway.http.enabled $gateway.grpc.enabled -}}
{{- if or (not $gateway.http.hostnames) (not $gateway.grpc.hostnames) -}}
{{- include "tritonkit.problem" (list "gateway.http.hostnames, gateway.grpc.hostnames" "a route without hostnames takes all of them, and on one listener either an HTTPRoute or a GRPCRoute is accepted" "give each hostnames of its own") -}}
{{- end -}}
{{- range $one := $gateway.http.hostnames -}}
{{- range $other := $gateway.grpc.hostnames -}}
{{- if or (eq $one $other) (and (hasPrefix "*." $one) (hasSuffix (trimPrefix "*" $one) $other)) (and (hasPrefix "*." $other) (hasSuffix (trimPrefix "*" $other) $one)) -}}
{{- include "tritonkit.problem" (list "gateway.grpc.hostnames" (printf "%s meets %s of gateway.http.hostnames: only one of the routes would be accepted" $other $one) "give each hostnames of its own") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $gateway.http.requestTimeout -}}
{{- if not (regexMatch "^([0-9]{1,5}(h|m|s|ms)){1,4}$" .) -}}
{{- include "tritonkit.problem" (list "gateway.http.requestTimeout" (printf "%q is no duration" .) "write it as in 10s") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (gt (int .Values.traffic.canaryWeight) 0) (not (and .Values.canary.enabled $gateway.enabled)) -}}
{{- include "tritonkit.problem" (list "traffic.canaryWeight" "weighs nothing without canary.enabled and gateway.enabled" "turn both on, or write 0") -}}
{{- end -}}
{{- if and (eq .Values.traffic.owner "external") (not $gateway.enabled) -}}
{{- include "tritonkit.problem" (list "traffic.owner" "external owns the weights of routes, and there are none" "set gateway.enabled: true, or owner: chart") -}}
{{- end -}}
{{- if .Values.canary.enabled -}}
{{- range $key, $_ := .Values.canary.override -}}
{{- $known := list "image" "models" "modelSource" "resources" "triton" "gpu" -}}
{{- if not (has $key $known) -}}
{{- include "tritonkit.problem" (list (printf "canary.override.%s" $key) "is the same for both tracks" (printf "a canary differs in: %s" (join ", " $known))) -}}
{{- end -}}
{{- end -}}
{{- if gt (int .Values.canary.replicaCount) (int .Values.canary.maxReplicas) -}}
{{- include "tritonkit.problem" (list "canary.replicaCount" (printf "%d is more than the spare GPUs of canary.maxReplicas, %d" (int .Values.canary.replicaCount) (int .Values.canary.maxReplicas)) "lower it, or raise maxReplicas if the GPUs are there") -}}
{{- end -}}
{{- if and (gt (int .Values.traffic.canaryWeight) 0) (eq (int .Values.canary.replicaCount) 0) -}}
{{- include "tritonkit.problem" (list "canary.replicaCount" "is 0 while traffic.canaryWeight sends requests there, which would fail" "write 1, or weight 0") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tritonkit.checksOfScaling" -}}
{{- $scaling := .Values.autoscaling -}}
{{- if ne $scaling.type "none" -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- include "tritonkit.problem" (list "autoscaling.minReplicas" (printf "%d is more than maxReplicas, %d" (int $scaling.minReplicas) (int $scaling.maxReplicas)) "swap them") -}}
{{- end -}}
{{- if eq (int $scaling.minReplicas) 0 -}}
{{- include "tritonkit.problem" (list "autoscaling.minReplicas" "with 0 every request fails until a model has loaded, and no queue is left to scale on" "write 1 or more") -}}
{{- end -}}
{{- end -}}
{{- if and (eq $scaling.type "keda") (not (regexMatch "^https?://" $scaling.keda.serverAddress)) -}}
{{- include "tritonkit.problem" (list "autoscaling.keda.serverAddress" (printf "%q is no address of Prometheus" $scaling.keda.serverAddress) "write it as in http://prometheus-operated.monitoring:9090") -}}
{{- end -}}
{{- if and (eq $scaling.type "hpa") (eq (toString .Values.monitoring.rules.enabled) "false") -}}
{{- include "tritonkit.problem" (list "monitoring.rules.enabled" "is false, but the HPA reads what these rules record" "set it to true, or use autoscaling.type: keda, which asks Prometheus itself") -}}
{{- end -}}
{{- if and (ne $scaling.type "none") (eq (toString .Values.monitoring.scrape.enabled) "false") -}}
{{- include "tritonkit.problem" (list "monitoring.scrape.enabled" "is false, but scaling needs the label triton_release that the scrape sets" "set it to true") -}}
{{- end -}}
{{- end -}}

{{- define "tritonkit.checksOfNetwork" -}}
{{- $policy := .Values.networkPolicy -}}
{{- range concat $policy.store.cidrs $policy.store.except -}}
{{- if not (regexMatch "^([0-9.]+/[0-9]{1,2}|[0-9a-fA-F:]+/[0-9]{1,3})$" .) -}}
{{- include "tritonkit.problem" (list "networkPolicy.store" (printf "%q is no network" .) "write it as in 10.1.0.0/16; a NetworkPolicy knows no host names") -}}
{{- end -}}
{{- end -}}
{{- with .Values.tracing.endpoint -}}
{{- if contains ":4317" . -}}
{{- include "tritonkit.problem" (list "tracing.endpoint" "4317 is OTLP over gRPC, and Triton speaks OTLP over HTTP" "write http://HOST:4318/v1/traces") -}}
{{- else if not (regexMatch "^https?://[^/]+/.+" .) -}}
{{- include "tritonkit.problem" (list "tracing.endpoint" (printf "%q is no OTLP/HTTP address" .) "write http://HOST:4318/v1/traces") -}}
{{- end -}}
{{- if and $policy.enabled (not $policy.collector) -}}
{{- include "tritonkit.problem" (list "networkPolicy.collector" "is empty: the policy would drop the traces" "name the collector's peers, e.g. [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: observability}}}]") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tritonkit.checksOfProduction" -}}
{{- $at := "profile: production" -}}
{{- $values := .Values -}}
{{- range $track := include "tritonkit.tracks" . | fromJsonArray -}}
{{- $v := include "tritonkit.trackValues" (dict "root" $ "track" $track) | fromJson -}}
{{- $on := ternary "" "canary: " (eq $track "stable") -}}
{{- $images := dict (printf "%simage" $on) $v.image -}}
{{- if and $values.kitImage.repository (eq $track "stable") -}}{{- $_ := set $images "kitImage" $values.kitImage -}}{{- end -}}
{{- if include "tritonkit.isStore" (dict "v" $v) -}}{{- $_ := set $images (printf "%smodelSource.fetch.image" $on) $v.modelSource.fetch.image -}}{{- end -}}
{{- range $path, $image := $images -}}
{{- if not $image.digest -}}
{{- include "tritonkit.problem" (list (printf "%s.digest" $path) (printf "is empty, and %s demands digests" $at) (printf "take it from `crane digest %s:%s`" $image.repository $image.tag)) -}}
{{- end -}}
{{- end -}}
{{- range $v.models -}}
{{- if not .manifestSha256 -}}
{{- include "tritonkit.problem" (list (printf "%smodels" $on) (printf "%s has no manifestSha256, and %s pins models" .name $at) "write the sha256 of the version's manifest.json; `tritonkit deploy` does") -}}
{{- end -}}
{{- end -}}
{{- if not $v.modelSource.verify -}}
{{- include "tritonkit.problem" (list (printf "%smodelSource.verify" $on) (printf "is false, and %s serves only what was proven" $at) "set it to true") -}}
{{- end -}}
{{- range $kind := list "limits" "requests" -}}
{{- range $name := list "cpu" "memory" -}}
{{- if not (get (default dict (get $v.resources $kind)) $name) -}}
{{- include "tritonkit.problem" (list (printf "%sresources.%s.%s" $on $kind $name) (printf "is missing, and %s demands it" $at) "measure with `tritonkit bench` and set it") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- include "tritonkit.checksOfProductionRelease" . -}}
{{- end -}}

{{- define "tritonkit.checksOfProductionRelease" -}}
{{- $at := "profile: production" -}}
{{- $values := .Values -}}
{{- if not $values.admin.existingSecret.name -}}
{{- include "tritonkit.problem" (list "admin.existingSecret.name" (printf "is empty, and %s keeps the administrative key in a Secret: a pod's UID stands in metrics and logs" $at) "create it: kubectl create secret generic NAME --from-literal=key=\"$(openssl rand -hex 32)\"") -}}
{{- end -}}
{{- range list "model-repository" "model-config" "shared-memory" "statistics" "trace" "logging" -}}
{{- if not (has . $values.admin.apis) -}}
{{- include "tritonkit.problem" (list "admin.apis" (printf "%s is open, and %s restricts every administrative API" . $at) (printf "add %s" .)) -}}
{{- end -}}
{{- end -}}
{{- $replicas := ternary $values.replicaCount $values.autoscaling.minReplicas (eq $values.autoscaling.type "none") | int -}}
{{- if $values.gpuProfiles -}}
{{- $replicas = 0 -}}
{{- range $values.gpuProfiles -}}{{- $replicas = add $replicas (int (default $values.replicaCount .replicaCount)) | int -}}{{- end -}}
{{- end -}}
{{- if lt $replicas 2 -}}
{{- include "tritonkit.problem" (list (ternary "replicaCount" "autoscaling.minReplicas" (eq $values.autoscaling.type "none")) (printf "is %d: with one replica every drain of a node is an outage, which %s refuses" $replicas $at) "write 2 or more") -}}
{{- end -}}
{{- if not $values.pdb.enabled -}}
{{- include "tritonkit.problem" (list "pdb.enabled" (printf "is false, and %s keeps replicas through a drain" $at) "set it to true") -}}
{{- else if ge (int $values.pdb.maxUnavailable) $replicas -}}
{{- include "tritonkit.problem" (list "pdb.maxUnavailable" (printf "lets all %d replicas be evicted at once" $replicas) "write less than the replicas") -}}
{{- end -}}
{{- if not $values.networkPolicy.enabled -}}
{{- include "tritonkit.problem" (list "networkPolicy.enabled" (printf "is false, and %s denies by default" $at) "set it to true and name networkPolicy.clients") -}}
{{- else if not $values.networkPolicy.clients -}}
{{- include "tritonkit.problem" (list "networkPolicy.clients" "is empty: nobody could call the servers" "name the peers, e.g. the gateway's namespace") -}}
{{- end -}}
{{- end -}}
