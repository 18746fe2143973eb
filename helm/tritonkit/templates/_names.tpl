{{/* Names and labels. Everything begins with the release's name, so that two releases share a namespace. */}}

{{- define "tritonkit.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What belongs to one track: root, track. */}}
{{- define "tritonkit.trackName" -}}
{{- $name := include "tritonkit.fullname" .root -}}
{{- if eq .track "stable" -}}{{ $name }}{{- else -}}{{ $name }}-{{ .track }}{{- end -}}
{{- end -}}

{{- define "tritonkit.serviceAccountName" -}}
{{- default (include "tritonkit.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{/* A Deployment's name: root, track, gpuProfile. */}}
{{- define "tritonkit.serverName" -}}
{{- include "tritonkit.trackName" . -}}{{- with .gpuProfile -}}-{{ . }}{{- end -}}
{{- end -}}

{{/* Labels that select: they never change. root, component, and for servers track and gpuProfile. */}}
{{- define "tritonkit.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .track }}
tritonkit/track: {{ . }}
{{- end }}
{{- with .gpuProfile }}
tritonkit/gpu-profile: {{ . }}
{{- end }}
{{- end -}}

{{- define "tritonkit.labels" -}}
{{ include "tritonkit.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* What of this release Prometheus holds: the scrape sets `triton_release`. */}}
{{- define "tritonkit.series" -}}
namespace="{{ .Release.Namespace }}",triton_release="{{ include "tritonkit.fullname" . }}"
{{- end -}}

{{/*
The values of a track, as JSON: the canary's are those of the chart with its own laid over them, as are those of a kind of
GPU. root, track, gpuProfile.
*/}}
{{- define "tritonkit.trackValues" -}}
{{- $values := omit .root.Values "canary" "global" -}}
{{- if eq .track "canary" -}}
{{- $values = mergeOverwrite (deepCopy $values) (deepCopy .root.Values.canary.override) (dict "replicaCount" .root.Values.canary.replicaCount) -}}
{{- end -}}
{{- range .root.Values.gpuProfiles -}}
{{- if eq .name (default "" $.gpuProfile) -}}
{{- $values = mergeOverwrite (deepCopy $values) (omit (deepCopy .) "name") -}}
{{- end -}}
{{- end -}}
{{- toJson $values -}}
{{- end -}}

{{/* The tracks, as JSON. */}}
{{- define "tritonkit.tracks" -}}
{{- $tracks := list "stable" -}}
{{- if .Values.canary.enabled -}}{{- $tracks = append $tracks "canary" -}}{{- end -}}
{{- toJson $tracks -}}
{{- end -}}

{{/*
The Deployments, as JSON: one a track, and of the stable track one a kind of GPU where kinds are named. Their templates
work with root, track, gpuProfile and v, the values.
*/}}
{{- define "tritonkit.servers" -}}
{{- $servers := list -}}
{{- range $track := include "tritonkit.tracks" . | fromJsonArray -}}
{{- if and (eq $track "stable") $.Values.gpuProfiles -}}
{{- range $.Values.gpuProfiles -}}{{- $servers = append $servers (dict "track" $track "gpuProfile" .name) -}}{{- end -}}
{{- else -}}
{{- $servers = append $servers (dict "track" $track "gpuProfile" "") -}}
{{- end -}}
{{- end -}}
{{- toJson $servers -}}
{{- end -}}
