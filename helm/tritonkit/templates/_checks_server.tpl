{{/* Checks of images, of Triton's flags, of GPUs, memory and times: root, track, at, v. */}}

{{- define "tritonkit.checksOfImages" -}}
{{- $at := .at -}}
{{- $images := dict (printf "%simage" $at) .v.image -}}
{{- if eq .track "stable" -}}{{- $_ := set $images "kitImage" .v.kitImage -}}{{- end -}}
{{- if include "tritonkit.isStore" . -}}{{- $_ := set $images (printf "%smodelSource.fetch.image" $at) .v.modelSource.fetch.image -}}{{- end -}}
{{- range $path, $image := $images -}}
{{- if and $image.digest (not (regexMatch "^sha256:[0-9a-f]{64}$" $image.digest)) -}}
{{- include "tritonkit.problem" (list (printf "%s.digest" $path) (printf "%q is no digest" $image.digest) "write sha256: and its 64 hex digits") -}}
{{- end -}}
{{- if regexMatch "[@:/]" $image.tag -}}
{{- include "tritonkit.problem" (list (printf "%s.tag" $path) (printf "%q is no tag" $image.tag) "write the tag alone, and the digest in digest") -}}
{{- end -}}
{{- if regexMatch "[@:][^/]*$" $image.repository -}}
{{- include "tritonkit.problem" (list (printf "%s.repository" $path) (printf "%q has a tag or a digest in it" $image.repository) "write it in tag and digest") -}}
{{- end -}}
{{- if and (eq $image.tag "latest") (not $image.digest) -}}
{{- include "tritonkit.problem" (list (printf "%s.tag" $path) "is `latest`, which is another image every day" "name a version, best with its digest") -}}
{{- end -}}
{{- end -}}
{{- $table := .root.Files.Get "files/releases.yaml" | fromYaml -}}
{{- $release := include "tritonkit.release" . -}}
{{- $newest := keys $table.releases | sortAlpha | last -}}
{{- if not (regexMatch "^[0-9]{2}\\.(0[1-9]|1[0-2])$" $release) -}}
{{- include "tritonkit.problem" (list (printf "%simage.release" $at) (printf "the tag %q does not tell the NGC release" .v.image.tag) (printf "write the release inside as YY.MM, e.g. image.release: %q" $newest)) -}}
{{- else if and (le $release $newest) (not (hasKey $table.releases $release)) -}}
{{- include "tritonkit.problem" (list (printf "%simage.release" $at) (printf "there is no NGC release %s that this chart serves" $release) (printf "one of %s to %s" $table.minimum $newest)) -}}
{{- else if and (lt $release $table.minimum) (not .v.image.acceptOldRelease) -}}
{{- include "tritonkit.problem" (list (printf "%simage.tag" $at) (printf "%s has vulnerabilities that are reachable over the network" $release) (printf "serve %s or later; or say in image.acceptOldRelease why not" $table.minimum)) -}}
{{- end -}}
{{- end -}}

{{- define "tritonkit.checksOfServer" -}}
{{- $at := printf "%striton" .at -}}
{{- $managed := list "model-repository" "model-control-mode" "load-model" "http-address" "grpc-address" "metrics-address" "http-port" "grpc-port" "metrics-port" "exit-on-error" "strict-readiness" "exit-timeout-secs" "allow-sagemaker" "allow-vertex-ai" "allow-client-shm" "model-load-thread-count" "http-thread-count" "log-format" "log-verbose" "disable-auto-complete-config" "model-config-name" "grpc-infer-thread-count" "grpc-max-response-pool-size" "http-max-input-size" "grpc-max-connection-age" "grpc-max-connection-age-grace" "metrics-interval-ms" "allow-gpu-metrics" "metrics-config" "http-restricted-api" "grpc-restricted-protocol" "backend-config" "cache-config" "pinned-memory-pool-byte-size" "trace-config" "grpc-use-ssl" "grpc-use-ssl-mutual" "grpc-server-cert" "grpc-server-key" "grpc-root-cert" "allow-http" "allow-grpc" "allow-metrics" -}}
{{- range .v.triton.extraArgs -}}
{{- $flag := regexReplaceAll "=.*$" . "" | trimPrefix "--" -}}
{{- if not (hasPrefix "--" .) -}}
{{- include "tritonkit.problem" (list (printf "%s.extraArgs" $at) (printf "%q is no flag" .) "write --flag=value as one item") -}}
{{- else if contains "counter_latencies" . -}}
{{- include "tritonkit.problem" (list (printf "%s.extraArgs" $at) "counter_latencies=false freezes the request counters at 0" "leave it out; set triton.metrics.histograms or summaries") -}}
{{- else if has $flag (list "model-control-mode" "repository-poll-secs") -}}
{{- include "tritonkit.problem" (list (printf "%s.extraArgs" $at) (printf "--%s: a pod's models are immutable" $flag) "a new version is a rollout: change models[].manifestSha256") -}}
{{- else if has $flag $managed -}}
{{- include "tritonkit.problem" (list (printf "%s.extraArgs" $at) (printf "--%s is set by the chart" $flag) "use the value that sets it, in triton, termination, admin or tracing") -}}
{{- end -}}
{{- end -}}
{{- range .v.triton.backendConfig -}}
{{- if not (regexMatch "^([a-z0-9_]+,)?[a-z0-9_-]+=.+$" .) -}}
{{- include "tritonkit.problem" (list (printf "%s.backendConfig" $at) (printf "%q sets nothing" .) "write BACKEND,KEY=VALUE, as in python,shm-default-byte-size=1048576") -}}
{{- end -}}
{{- end -}}
{{- range .v.triton.extraEnv -}}
{{- if and .value (regexMatch "(?i)(secret|token|password|passwd|credential|access_key|account_key|private_key)" .name) -}}
{{- include "tritonkit.problem" (list (printf "%s.extraEnv" $at) (printf "%s would stand in the release's values" .name) "use valueFrom.secretKeyRef") -}}
{{- end -}}
{{- end -}}
{{- $age := int64 .v.triton.grpcMaxConnectionAgeMs -}}
{{- if and (gt $age 0) (lt $age 1000) -}}
{{- include "tritonkit.problem" (list (printf "%s.grpcMaxConnectionAgeMs" $at) (printf "%d is less than a second: these are milliseconds" $age) (printf "write %d for %d seconds, or 0 for never" (mul $age 1000) $age)) -}}
{{- end -}}
{{- if gt (int .v.probes.timeoutSeconds) (int .v.probes.periodSeconds) -}}
{{- include "tritonkit.problem" (list "probes.timeoutSeconds" "is longer than probes.periodSeconds" "make it at most as long") -}}
{{- end -}}
{{- end -}}

{{- define "tritonkit.checksOfGpu" -}}
{{- $gpu := .v.gpu -}}
{{- $at := printf "%sgpu" .at -}}
{{- if and (eq $gpu.mode "mig") (not (regexMatch "^[1-7]g\\.[0-9]+gb(\\.[a-z0-9.]+)?$" $gpu.migProfile)) -}}
{{- include "tritonkit.problem" (list (printf "%s.migProfile" $at) (printf "%q is no MIG profile" $gpu.migProfile) "write it as the node offers it after nvidia.com/mig-, e.g. 1g.10gb") -}}
{{- end -}}
{{- if and (ne $gpu.mode "mig") $gpu.migProfile -}}
{{- include "tritonkit.problem" (list (printf "%s.migProfile" $at) (printf "is set, but gpu.mode is %s" $gpu.mode) "set gpu.mode: mig, or leave it empty") -}}
{{- end -}}
{{- if and (has $gpu.mode (list "mig" "shared" "none")) (eq (toString .v.triton.metrics.gpu) "true") -}}
{{- include "tritonkit.problem" (list (printf "%striton.metrics.gpu" .at) (printf "GPU figures under mode %s belong to no pod" $gpu.mode) "leave it at auto, and take GPU figures from the DCGM exporter") -}}
{{- end -}}
{{- if and (eq $gpu.mode "shared") (gt (int $gpu.count) 1) -}}
{{- include "tritonkit.problem" (list (printf "%s.count" $at) "more than one share is more than one place in the queue of one GPU, not more GPU" "write 1") -}}
{{- end -}}
{{- if and (eq $gpu.mode "dra") (semverCompare "<1.34.0-0" .root.Capabilities.KubeVersion.Version) -}}
{{- include "tritonkit.problem" (list (printf "%s.mode" $at) (printf "dra needs Kubernetes 1.34 (resource.k8s.io/v1), this is %s" .root.Capabilities.KubeVersion.Version) "use gpu.mode: count") -}}
{{- end -}}
{{- if $gpu.minComputeCapability -}}
{{- $needs := include "tritonkit.gpuNeeds" . | fromJson -}}
{{- if not (regexMatch "^[0-9]{1,2}\\.[0-9]$" $gpu.minComputeCapability) -}}
{{- include "tritonkit.problem" (list (printf "%s.minComputeCapability" $at) (printf "%q is no compute capability" $gpu.minComputeCapability) "write it as \"8.6\", in quotes") -}}
{{- else if and $needs.computeCapability (lt (float64 $gpu.minComputeCapability) (float64 $needs.computeCapability)) -}}
{{- include "tritonkit.problem" (list (printf "%s.minComputeCapability" $at) (printf "%s is older than what this release runs on" $gpu.minComputeCapability) (printf "write %s or more, or leave it empty" $needs.computeCapability)) -}}
{{- end -}}
{{- end -}}
{{- if and (eq $gpu.mode "none") $gpu.products -}}
{{- include "tritonkit.problem" (list (printf "%s.products" $at) "is set, but gpu.mode is none" "choose a mode, or leave it empty") -}}
{{- end -}}
{{- range $kind := list "limits" "requests" -}}
{{- range $name, $_ := default dict (get $.v.resources $kind) -}}
{{- if contains "/" $name -}}
{{- include "tritonkit.problem" (list (printf "%sresources.%s" $.at $kind) (printf "%s is asked for by hand" $name) "set gpu.mode and gpu.count: probes, placement and metrics follow from them") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tritonkit.checksOfGpuProfiles" -}}
{{- $seen := list "canary" -}}
{{- range .Values.gpuProfiles -}}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$" .name) -}}
{{- include "tritonkit.problem" (list "gpuProfiles" (printf "%q is no name" .name) "write at most 15 lower-case letters, digits and dashes, as in l4 or a100-40gb") -}}
{{- end -}}
{{- if has .name $seen -}}
{{- include "tritonkit.problem" (list "gpuProfiles" (printf "%s is the name of another Deployment" .name) "give each kind of GPU a name of its own, and none `canary`") -}}
{{- end -}}
{{- $seen = append $seen .name -}}
{{- end -}}
{{- if and .Values.gpuProfiles (ne .Values.autoscaling.type "none") -}}
{{- include "tritonkit.problem" (list "autoscaling.type" "one number cannot scale several Deployments: each would be given all of the load" "write none and a replicaCount in each of gpuProfiles; or install a release for each kind of GPU") -}}
{{- end -}}
{{- end -}}

{{- define "tritonkit.checksOfMemory" -}}
{{- range $path, $size := dict "shm.sizeLimit" .v.shm.sizeLimit "tmp.sizeLimit" .v.tmp.sizeLimit -}}
{{- if not (include "tritonkit.bytes" $size) -}}
{{- include "tritonkit.problem" (list $path (printf "%q is no size" (toString $size)) "write it as in 256Mi") -}}
{{- end -}}
{{- end -}}
{{- $at := printf "%sresources" .at -}}
{{- $limits := default dict .v.resources.limits -}}
{{- $requests := default dict .v.resources.requests -}}
{{- if and .v.threadsFromCpuLimit (not $limits.cpu) -}}
{{- include "tritonkit.problem" (list (printf "%s.limits.cpu" $at) "is missing, and threads follow from it" "set it, or threadsFromCpuLimit: false") -}}
{{- end -}}
{{- if $limits.memory -}}
{{- $limit := include "tritonkit.bytes" $limits.memory -}}
{{- if not $limit -}}
{{- include "tritonkit.problem" (list (printf "%s.limits.memory" $at) (printf "%q is no size" (toString $limits.memory)) "write it as in 8Gi") -}}
{{- else -}}
{{- $inside := addf (include "tritonkit.bytes" .v.shm.sizeLimit | float64) (float64 .v.triton.responseCacheBytes) (float64 .v.triton.pinnedMemoryPoolBytes) -}}
{{- if ge $inside (float64 $limit) -}}
{{- include "tritonkit.problem" (list (printf "%s.limits.memory" $at) (printf "%s does not hold shm.sizeLimit, triton.responseCacheBytes and triton.pinnedMemoryPoolBytes, which count against it" $limits.memory) "raise it, or lower those") -}}
{{- end -}}
{{- $request := include "tritonkit.bytes" (default "0" $requests.memory) -}}
{{- if and $request (gt (float64 $request) (float64 $limit)) -}}
{{- include "tritonkit.problem" (list (printf "%s.requests.memory" $at) (printf "%s is more than the limit" $requests.memory) "lower it to the limit") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tritonkit.checksOfTimes" -}}
{{- $sum := include "tritonkit.stopSeconds" . | int -}}
{{- $grace := int .v.termination.gracePeriodSeconds -}}
{{- if and $grace (lt $grace $sum) -}}
{{- include "tritonkit.problem" (list "termination.gracePeriodSeconds" (printf "%d s end before preStop, drain and unload, %d s, have passed" $grace $sum) (printf "write %d or more, or 0 for the sum" $sum)) -}}
{{- end -}}
{{- $age := int64 .v.triton.grpcMaxConnectionAgeMs -}}
{{- if ge $age (mul 1000 (int .v.termination.preStopSeconds)) -}}
{{- include "tritonkit.problem" (list (printf "%striton.grpcMaxConnectionAgeMs" .at) (printf "%d ms outlive termination.preStopSeconds, %d s: calls on such a connection fail while its pod ends" $age (int .v.termination.preStopSeconds)) (printf "write at most %d, or a longer preStopSeconds; or 0 where every gRPC client balances by itself" (sub (mul 1000 (int .v.termination.preStopSeconds)) 1000))) -}}
{{- end -}}
{{- if le (int .v.probes.restartAfterUnreadySeconds) (mul 2 (int .v.probes.periodSeconds)) -}}
{{- include "tritonkit.problem" (list "probes.restartAfterUnreadySeconds" "restarts a server before its readiness probe has failed twice" "make it more than two periods") -}}
{{- end -}}
{{- end -}}
