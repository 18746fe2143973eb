{{/* GPUs: what a pod asks for, and which nodes may give it. */}}

{{/* The extended resource of the mode, or nothing: v. */}}
{{- define "tritonkit.gpuResource" -}}
{{- if eq .v.gpu.mode "count" -}}{{ .v.gpu.resourceName }}
{{- else if eq .v.gpu.mode "mig" -}}nvidia.com/mig-{{ .v.gpu.migProfile }}
{{- else if eq .v.gpu.mode "shared" -}}{{ .v.gpu.sharedResourceName }}
{{- end -}}
{{- end -}}

{{/* `true` where GPU figures belong to this pod alone: v. */}}
{{- define "tritonkit.gpuMetrics" -}}
{{- if eq (toString .v.triton.metrics.gpu) "auto" -}}{{ has .v.gpu.mode (list "count" "dra") }}{{- else -}}{{ .v.triton.metrics.gpu }}{{- end -}}
{{- end -}}

{{/* The serving container's resources with its GPUs: root, v, track. */}}
{{- define "tritonkit.resources" -}}
{{- $resources := deepCopy .v.resources -}}
{{- with include "tritonkit.gpuResource" . -}}
{{- $gpu := dict . (int $.v.gpu.count) -}}
{{- $_ := set $resources "limits" (merge (default dict $resources.limits) $gpu) -}}
{{- $_ := set $resources "requests" (merge (default dict $resources.requests) $gpu) -}}
{{- end -}}
{{- if eq .v.gpu.mode "dra" -}}
{{- $_ := set $resources "claims" (list (dict "name" "gpu")) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* Terms of a required node affinity, as JSON: root, v. Terms are alternatives, expressions hold together. */}}
{{- define "tritonkit.nodeTerms" -}}
{{- $needs := include "tritonkit.gpuNeeds" . | fromJson -}}
{{- $all := list -}}
{{- with .v.gpu.products -}}
{{- $all = append $all (dict "key" "nvidia.com/gpu.product" "operator" "In" "values" .) -}}
{{- end -}}
{{- if gt (int .v.gpu.minMemoryMiB) 0 -}}
{{- $all = append $all (dict "key" "nvidia.com/gpu.memory" "operator" "Gt" "values" (list (sub (int .v.gpu.minMemoryMiB) 1 | toString))) -}}
{{- end -}}
{{- $driver := default (int $needs.driverMajor) (int .v.gpu.minDriverMajor) -}}
{{- if gt $driver 0 -}}
{{- $all = append $all (dict "key" "nvidia.com/cuda.driver-version.major" "operator" "Gt" "values" (list (sub $driver 1 | toString))) -}}
{{- end -}}
{{- $capability := default $needs.computeCapability .v.gpu.minComputeCapability -}}
{{- $terms := list $all -}}
{{- if $capability -}}
{{- $major := splitList "." $capability | first | int -}}
{{- $minor := splitList "." $capability | last | int -}}
{{- $newer := dict "key" "nvidia.com/gpu.compute.major" "operator" "Gt" "values" (list (toString (ternary (sub $major 1) $major (eq $minor 0)))) -}}
{{- $terms = list (append $all $newer) -}}
{{- if gt $minor 0 -}}
{{- $same := dict "key" "nvidia.com/gpu.compute.major" "operator" "In" "values" (list (toString $major)) -}}
{{- $atLeast := dict "key" "nvidia.com/gpu.compute.minor" "operator" "Gt" "values" (list (sub $minor 1 | toString)) -}}
{{- $terms = append $terms (concat $all (list $same $atLeast)) -}}
{{- end -}}
{{- end -}}
{{- $result := list -}}
{{- range $terms -}}{{- if . -}}{{- $result = append $result (dict "matchExpressions" .) -}}{{- end -}}{{- end -}}
{{- toJson $result -}}
{{- end -}}

{{/* Where a server's pod may run: root, v, track. */}}
{{- define "tritonkit.placement" -}}
{{- with .v.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $byResource := has .v.gpu.mode (list "count" "mig" "shared") }}
{{- if and $byResource .v.gpu.requireLabels }}
{{- with include "tritonkit.nodeTerms" . | fromJsonArray }}
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        {{- toYaml . | nindent 8 }}
{{- end }}
{{- end }}
{{- $tolerations := .v.tolerations }}
{{- if ne .v.gpu.mode "none" }}
{{- $tolerations = append $tolerations (dict "key" "nvidia.com/gpu" "operator" "Exists" "effect" "NoSchedule") }}
{{- end }}
{{- with $tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .v.topologySpread.topologyKey }}
topologySpreadConstraints:
  - maxSkew: {{ int .v.topologySpread.maxSkew }}
    topologyKey: {{ .v.topologySpread.topologyKey }}
    whenUnsatisfiable: {{ .v.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "tritonkit.selector" (merge (dict "component" "server") .) | nindent 8 }}
{{- end }}
{{- end -}}
