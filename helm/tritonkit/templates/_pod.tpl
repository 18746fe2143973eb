{{/* A server's pod: root, v, track. */}}

{{- define "tritonkit.probe" -}}
{{- if eq .v.probes.protocol "grpc" -}}
grpc: {port: 8001}
{{- else -}}
httpGet: {path: /v2/health/ready, port: http}
{{- end }}
periodSeconds: {{ int .v.probes.periodSeconds }}
timeoutSeconds: {{ int .v.probes.timeoutSeconds }}
{{- end -}}

{{- define "tritonkit.probesOfServer" -}}
# No port listens while models load; the other probes begin when this one has passed.
startupProbe:
  {{- include "tritonkit.probe" . | nindent 2 }}
  failureThreshold: {{ include "tritonkit.probes" (dict "v" .v "seconds" .v.startup.maxLoadSeconds) }}
readinessProbe:
  {{- include "tritonkit.probe" . | nindent 2 }}
  failureThreshold: 2
# Models never change in a running pod, so one that was ready and no longer is will not heal by itself:
# a dead Python process answers `live` for ever.
livenessProbe:
  {{- include "tritonkit.probe" . | nindent 2 }}
  failureThreshold: {{ include "tritonkit.probes" (dict "v" .v "seconds" .v.probes.restartAfterUnreadySeconds) }}
{{- end -}}

{{- define "tritonkit.serverEnv" -}}
- {name: HOME, value: /tmp}
- {name: CUDA_CACHE_PATH, value: /tmp/cuda-cache}
{{- if .root.Values.admin.apis }}
- name: TRITONKIT_ADMIN_KEY
  valueFrom:
    {{- with .root.Values.admin.existingSecret }}
    {{- if .name }}
    secretKeyRef: {name: {{ .name | quote }}, key: {{ .key | quote }}}
    {{- else }}
    fieldRef: {fieldPath: metadata.uid}
    {{- end }}
    {{- end }}
{{- end }}
{{- if .v.threadsFromCpuLimit }}
{{- range list "OMP_NUM_THREADS" "MKL_NUM_THREADS" "OPENBLAS_NUM_THREADS" "ORT_INTRA_OP_NUM_THREADS" }}
- name: {{ . }}
  valueFrom:
    resourceFieldRef: {containerName: triton, resource: limits.cpu, divisor: "1"}
{{- end }}
{{- end }}
{{- with .v.triton.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "tritonkit.preStop" -}}
preStop:
  {{- if semverCompare ">=1.30.0-0" .root.Capabilities.KubeVersion.Version }}
  sleep: {seconds: {{ int .v.termination.preStopSeconds }}}
  {{- else }}
  exec: {command: [sleep, {{ int .v.termination.preStopSeconds | quote }}]}
  {{- end }}
{{- end -}}

{{/* What a new pod follows from: nothing else of the values restarts a server. */}}
{{- define "tritonkit.podAnnotations" -}}
{{- range .v.models }}
tritonkit/manifest.{{ .name }}: {{ default "unpinned" .manifestSha256 | quote }}
{{- end }}
{{- with .v.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "tritonkit.pod" -}}
metadata:
  labels:
    {{- include "tritonkit.selector" (merge (dict "component" "server") .) | nindent 4 }}
    {{- with .v.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- if eq .v.modelSource.type "azure" }}
    azure.workload.identity/use: {{ ternary "false" "true" (not (empty .v.modelSource.azure.existingSecret.name)) | quote }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: triton
    {{- include "tritonkit.podAnnotations" . | trim | nindent 4 }}
spec:
  serviceAccountName: {{ include "tritonkit.serviceAccountName" .root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  # Triton is then not process 1, for which SIGTERM would do nothing while models load.
  shareProcessNamespace: true
  terminationGracePeriodSeconds: {{ include "tritonkit.gracePeriodSeconds" . }}
  securityContext:
    {{- include "tritonkit.podSecurity" .root | nindent 4 }}
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . | quote }}
    {{- end }}
  {{- end }}
  {{- with .v.gpu.runtimeClassName }}
  runtimeClassName: {{ . | quote }}
  {{- end }}
  {{- with .v.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- include "tritonkit.placement" . | trim | nindent 2 }}
  {{- if eq .v.gpu.mode "dra" }}
  resourceClaims:
    - {name: gpu, resourceClaimTemplateName: {{ include "tritonkit.serverName" . }}}
  {{- end }}
  {{- with printf "%s\n%s" (include "tritonkit.modelInit" . | trim) (include "tritonkit.enginesInit" . | trim) | trim }}
  initContainers:
    {{- . | nindent 4 }}
  {{- end }}
  containers:
    - name: triton
      image: {{ include "tritonkit.image" (dict "root" .root "image" .v.image) }}
      imagePullPolicy: {{ .v.image.pullPolicy }}
      command:
        {{- toYaml .v.triton.command | nindent 8 }}
      args:
        {{- include "tritonkit.args" . | nindent 8 }}
      env:
        {{- include "tritonkit.serverEnv" . | trim | nindent 8 }}
      ports:
        - {name: http, containerPort: 8000, protocol: TCP}
        - {name: grpc, containerPort: 8001, protocol: TCP}
        - {name: metrics, containerPort: 8002, protocol: TCP}
      {{- include "tritonkit.probesOfServer" . | nindent 6 }}
      lifecycle:
        {{- include "tritonkit.preStop" . | nindent 8 }}
      resources:
        {{- include "tritonkit.resources" . | nindent 8 }}
      securityContext:
        {{- include "tritonkit.containerSecurity" .root | nindent 8 }}
      volumeMounts:
        {{- with include "tritonkit.serverMounts" . | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with include "tritonkit.tlsMount" .root | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        - {name: shm, mountPath: /dev/shm}
        - {name: tmp, mountPath: /tmp}
  volumes:
    {{- with printf "%s\n%s" (include "tritonkit.modelVolumes" . | trim) (include "tritonkit.engineVolumes" . | trim) | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with include "tritonkit.tlsVolume" .root | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    - name: shm
      emptyDir: {medium: Memory, sizeLimit: {{ .v.shm.sizeLimit }}}
    - name: tmp
      emptyDir: {sizeLimit: {{ .v.tmp.sizeLimit }}}
{{- end -}}
