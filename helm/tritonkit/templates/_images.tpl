{{/* Image references and the NGC release inside the serving image. */}}

{{/* root, image. A digest is what is pulled; the tag beside it is for people. */}}
{{- define "tritonkit.image" -}}
{{- $registry := default .image.registry .root.Values.imageRegistry -}}
{{- $name := .image.repository -}}
{{- if $registry -}}{{- $name = printf "%s/%s" $registry $name -}}{{- end -}}
{{- if .image.tag -}}{{- $name = printf "%s:%s" $name .image.tag -}}{{- end -}}
{{- if .image.digest -}}{{- $name = printf "%s@%s" $name .image.digest -}}{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "tritonkit.kitImage" -}}
{{- $image := mergeOverwrite (deepCopy .Values.kitImage) (dict "tag" (default .Chart.AppVersion .Values.kitImage.tag)) -}}
{{- include "tritonkit.image" (dict "root" . "image" $image) -}}
{{- end -}}

{{/* `YY.MM` of the serving image, or nothing: v. */}}
{{- define "tritonkit.release" -}}
{{- default (regexFind "^[0-9]{2}\\.[0-9]{2}" (toString .v.image.tag)) .v.image.release -}}
{{- end -}}

{{/* `true` if the serving image's release is `since` or later: v, since. `YY.MM` orders as text does. */}}
{{- define "tritonkit.isSince" -}}
{{- $release := include "tritonkit.release" . -}}
{{- if and $release (ge $release .since) -}}true{{- end -}}
{{- end -}}

{{/* What the release's GPU code needs, as JSON: root, v. */}}
{{- define "tritonkit.gpuNeeds" -}}
{{- $needs := dict "computeCapability" "" "driverMajor" 0 -}}
{{- $v := .v -}}
{{- range (.root.Files.Get "files/releases.yaml" | fromYaml).gpuNeeds -}}
{{- if include "tritonkit.isSince" (dict "v" $v "since" .since) -}}{{- $needs = . -}}{{- end -}}
{{- end -}}
{{- toJson $needs -}}
{{- end -}}
