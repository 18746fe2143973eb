{{/* Pod Security Standard *restricted*, and a root file system that nobody writes to. */}}

{{- define "tritonkit.podSecurity" -}}
runAsNonRoot: true
{{- if not .Values.security.openshift }}
runAsUser: {{ int .Values.security.runAsUser }}
runAsGroup: {{ int .Values.security.runAsGroup }}
fsGroup: {{ int .Values.security.fsGroup }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "tritonkit.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities: {drop: [ALL]}
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
{{- end -}}

{{/* Environment of the kit's containers: what they write goes to /tmp. */}}
{{- define "tritonkit.kitEnv" -}}
- {name: HOME, value: /tmp}
- {name: TRITONKIT_CACHE, value: /tmp/tritonkit}
- {name: PYTHONDONTWRITEBYTECODE, value: "1"}
{{- end -}}

{{/* A container of the kit, without its arguments: the root context. */}}
{{- define "tritonkit.kitContainer" -}}
image: {{ include "tritonkit.kitImage" . }}
imagePullPolicy: {{ .Values.kitImage.pullPolicy }}
securityContext:
  {{- include "tritonkit.containerSecurity" . | nindent 2 }}
resources:
  {{- toYaml .Values.kitResources | nindent 2 }}
{{- end -}}
