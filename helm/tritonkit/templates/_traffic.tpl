{{/* Weights of the tracks. */}}

{{/*
Weights of both tracks for a route, as JSON: root, kind. With an external owner those that are live stay, whatever the
values say; without a cluster to look at (helm template) they are those of the first installation.
*/}}
{{- define "tritonkit.weights" -}}
{{- $canary := ternary (int .root.Values.traffic.canaryWeight) 0 .root.Values.canary.enabled -}}
{{- $weights := dict "stable" (sub 100 $canary) "canary" $canary -}}
{{- if eq .root.Values.traffic.owner "external" -}}
{{- $live := lookup "gateway.networking.k8s.io/v1" .kind .root.Release.Namespace (include "tritonkit.fullname" .root) -}}
{{- /* The last rule carries the weights; one before it is the preview. */ -}}
{{- $rule := default dict (last (dig "spec" "rules" (list dict) $live)) -}}
{{- range $track := list "stable" "canary" -}}
{{- $name := include "tritonkit.trackName" (dict "root" $.root "track" $track) -}}
{{- range $rule.backendRefs -}}
{{- if has .name (list (printf "%s-http" $name) (printf "%s-grpc" $name)) -}}{{- $_ := set $weights $track (int .weight) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $weights -}}
{{- end -}}

{{/* Backends of a route with every default of the API written out, so that nothing drifts: root, kind, port. */}}
{{- define "tritonkit.backends" -}}
{{- $weights := include "tritonkit.weights" . | fromJson -}}
{{- range $track := include "tritonkit.tracks" .root | fromJsonArray }}
{{ include "tritonkit.backend" (dict "root" $.root "port" $.port "track" $track "weight" (int (get $weights $track))) }}
{{- end }}
{{- end -}}

{{- define "tritonkit.backend" -}}
- group: ""
  kind: Service
  name: {{ include "tritonkit.trackName" . }}-{{ .port.name }}
  port: {{ .port.number }}
  weight: {{ .weight }}
{{- end -}}

{{- define "tritonkit.parentRefs" -}}
{{- range .Values.gateway.parentRefs }}
- group: gateway.networking.k8s.io
  kind: Gateway
  name: {{ .name | quote }}
  namespace: {{ default $.Release.Namespace .namespace | quote }}
  {{- with .sectionName }}
  sectionName: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end -}}
