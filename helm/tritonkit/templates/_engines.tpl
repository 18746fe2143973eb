{{/* TensorRT engines, built on the node before the server starts: root, v. docs/tensorrt.md has the command. */}}

{{/* The name under which the engines are served. */}}
{{- define "tritonkit.engineProfile" -}}
{{- default "engines" .v.triton.modelConfigName -}}
{{- end -}}

{{- define "tritonkit.enginesInit" -}}
{{- $engines := .v.engines -}}
{{- if $engines.enabled }}
- name: engines
  image: {{ include "tritonkit.kitImage" .root }}
  imagePullPolicy: {{ .root.Values.kitImage.pullPolicy }}
  {{- if eq $engines.onMismatch "onnx" }}
  # Status 2 is a fault of the values or of the cache, which no other file would heal.
  command: [sh, -c, 'python -m builder.engines "$@" || { [ $? -ne 2 ] && rm -rf /served/repository && cp -R /models /served/repository; }', engines]
  {{- else }}
  command: [python, -m, builder.engines]
  {{- end }}
  args:
    - /models
    - --out=/engines/cache
    - --serve=/served/repository
    - --profile={{ include "tritonkit.engineProfile" . }}
    - --serving-tensorrt={{ $engines.tensorrtVersion }}
    - --time-limit={{ int $engines.maxSeconds }}
    {{- if ne $engines.onMismatch "rebuild" }}
    - --no-build
    {{- end }}
    {{- range $engines.extraArgs }}
    - {{ . | quote }}
    {{- end }}
  env:
    {{- include "tritonkit.kitEnv" . | nindent 4 }}
    - {name: NVIDIA_DRIVER_CAPABILITIES, value: "compute,utility"}
  securityContext:
    {{- include "tritonkit.containerSecurity" .root | nindent 4 }}
  # The server's own: it starts when this has ended.
  resources:
    {{- include "tritonkit.resources" . | nindent 4 }}
  volumeMounts:
    {{- include "tritonkit.modelMounts" . | trim | nindent 4 }}
    - {name: engines, mountPath: /engines}
    - {name: served, mountPath: /served}
    - {name: tmp, mountPath: /tmp}
{{- end }}
{{- end -}}

{{- define "tritonkit.engineVolumes" -}}
{{- $engines := .v.engines -}}
{{- if $engines.enabled }}
- name: served
  emptyDir: {sizeLimit: {{ $engines.sizeLimit }}}
- name: engines
  {{- if $engines.cacheClaim }}
  persistentVolumeClaim: {claimName: {{ $engines.cacheClaim | quote }}}
  {{- else }}
  emptyDir: {sizeLimit: {{ $engines.sizeLimit }}}
  {{- end }}
{{- end }}
{{- end -}}

{{/* How the server sees its models. */}}
{{- define "tritonkit.serverMounts" -}}
{{- if .v.engines.enabled }}
- {name: served, mountPath: /served, readOnly: true}
{{- else }}
{{- include "tritonkit.modelMounts" . }}
{{- end }}
{{- end -}}

{{- define "tritonkit.checksOfEngines" -}}
{{- $engines := .v.engines -}}
{{- if $engines.enabled -}}
{{- $at := printf "%sengines" .at -}}
{{- if eq .v.gpu.mode "none" -}}
{{- include "tritonkit.problem" (list (printf "%s.enabled" $at) "is true, but gpu.mode is none" "choose a mode of a GPU, or set it to false") -}}
{{- end -}}
{{- if eq .v.modelSource.type "baked" -}}
{{- include "tritonkit.problem" (list (printf "%s.enabled" $at) "is true, but what is baked into the serving image the kit cannot read" "use another modelSource.type") -}}
{{- end -}}
{{- if not .root.Values.kitImage.repository -}}
{{- include "tritonkit.problem" (list "kitImage.repository" "is empty, but engines.enabled needs the kit with TensorRT" "build Dockerfile with --build-arg TENSORRT=tensorrt==VERSION and name it here") -}}
{{- end -}}
{{- if not (regexMatch "^[0-9]+(\\.[0-9]+){2,3}$" $engines.tensorrtVersion) -}}
{{- include "tritonkit.problem" (list (printf "%s.tensorrtVersion" $at) (printf "%q is not the version of the serving image's libnvinfer, and an engine loads under no other" $engines.tensorrtVersion) "write it in full, as in 10.13.2.6") -}}
{{- end -}}
{{- if and (ne $engines.onMismatch "rebuild") (not $engines.cacheClaim) -}}
{{- include "tritonkit.problem" (list (printf "%s.cacheClaim" $at) (printf "is empty, but with onMismatch: %s engines are only taken from a cache" $engines.onMismatch) "name the claim that holds them, or write onMismatch: rebuild") -}}
{{- end -}}
{{- if not (include "tritonkit.bytes" $engines.sizeLimit) -}}
{{- include "tritonkit.problem" (list (printf "%s.sizeLimit" $at) (printf "%q is no size" $engines.sizeLimit) "write it as in 20Gi") -}}
{{- end -}}
{{- end -}}
{{- end -}}
