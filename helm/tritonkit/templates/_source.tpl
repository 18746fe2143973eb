{{/* Where models come from: init containers and volumes, the same for servers and for tests. All take root, v. */}}

{{- define "tritonkit.isStore" -}}
{{- if has .v.modelSource.type (list "s3" "gcs" "azure") -}}true{{- end -}}
{{- end -}}

{{/* `true` where the pod holds a copy of its own. */}}
{{- define "tritonkit.hasCopy" -}}
{{- $source := .v.modelSource -}}
{{- if or (include "tritonkit.isStore" .) (and (eq $source.type "pvc") $source.pvc.copy $source.verify) -}}true{{- end -}}
{{- end -}}

{{/* The folder that Triton serves. */}}
{{- define "tritonkit.repository" -}}
{{- if .v.engines.enabled -}}/served/repository
{{- else if eq .v.modelSource.type "baked" -}}{{ .v.modelSource.baked.path }}
{{- else -}}/models
{{- end -}}
{{- end -}}

{{/* Volumes that hold models. */}}
{{- define "tritonkit.modelVolumes" -}}
{{- $source := .v.modelSource -}}
{{- if include "tritonkit.hasCopy" . }}
- name: models
  emptyDir: {sizeLimit: {{ $source.sizeLimit }}}
{{- end }}
{{- if eq $source.type "pvc" }}
- name: {{ if include "tritonkit.hasCopy" . }}source{{ else }}models{{ end }}
  persistentVolumeClaim: {claimName: {{ $source.pvc.claimName | quote }}, readOnly: true}
{{- else if eq $source.type "imageVolume" }}
- name: models
  image: {reference: {{ $source.imageVolume.reference | quote }}, pullPolicy: {{ $source.imageVolume.pullPolicy }}}
{{- else if and (eq $source.type "gcs") $source.gcs.existingSecret.name }}
- name: credentials
  secret: {secretName: {{ $source.gcs.existingSecret.name | quote }}, defaultMode: 288}
{{- end }}
{{- if $source.publicKey.configMap }}
- name: signer
  configMap: {name: {{ $source.publicKey.configMap | quote }}}
{{- end }}
{{- end -}}

{{/* How the served models are mounted: read-only. */}}
{{- define "tritonkit.modelMounts" -}}
{{- $source := .v.modelSource -}}
{{- if include "tritonkit.hasCopy" . }}
- {name: models, mountPath: /models, readOnly: true}
{{- else if eq $source.type "pvc" }}
- {name: models, mountPath: /models, subPath: {{ $source.pvc.subPath | quote }}, readOnly: true}
{{- else if eq $source.type "imageVolume" }}
- name: models
  mountPath: /models
  {{- with $source.imageVolume.subPath }}
  subPath: {{ . | quote }}
  {{- end }}
  readOnly: true
{{- end }}
{{- end -}}

{{/* Init containers: fetch what lies in a store, then verify what will be served. */}}
{{- define "tritonkit.modelInit" -}}
{{- $source := .v.modelSource -}}
{{- if include "tritonkit.isStore" . }}
- name: fetch
  image: {{ include "tritonkit.image" (dict "root" .root "image" $source.fetch.image) }}
  imagePullPolicy: {{ $source.fetch.image.pullPolicy }}
  args:
    - copy
    - {{ include "tritonkit.remote" . | quote }}
    - /models
    - --transfers={{ int $source.fetch.transfers }}
    - --checksum
    - --stats-one-line
    - --stats=30s
    - --log-level=INFO
  env:
    {{- include "tritonkit.remoteEnv" . | nindent 4 }}
  securityContext:
    {{- include "tritonkit.containerSecurity" .root | nindent 4 }}
  resources:
    {{- toYaml .root.Values.kitResources | nindent 4 }}
  volumeMounts:
    - {name: models, mountPath: /models}
    - {name: tmp, mountPath: /tmp}
    {{- if and (eq $source.type "gcs") $source.gcs.existingSecret.name }}
    - {name: credentials, mountPath: /credentials, readOnly: true}
    {{- end }}
{{- end }}
{{- /* A baked repository is in the serving image alone: its digest is what pins it. */}}
{{- if and $source.verify (ne $source.type "baked") }}
- name: verify
  {{- include "tritonkit.kitContainer" .root | nindent 2 }}
  args:
    - verify
    {{- $copies := and (eq $source.type "pvc") (include "tritonkit.hasCopy" .) }}
    - {{ ternary "/source" "/models" (not (empty $copies)) }}
    {{- range .v.models }}
    - --model={{ .name }}{{ with .manifestSha256 }}={{ . }}{{ end }}
    {{- end }}
    {{- if $copies }}
    - --copy-to=/models
    {{- end }}
    {{- if $source.publicKey.configMap }}
    - --public-key=/signer/{{ $source.publicKey.key }}
    {{- end }}
  env:
    {{- include "tritonkit.kitEnv" . | nindent 4 }}
  volumeMounts:
    {{- if $copies }}
    - {name: source, mountPath: /source, subPath: {{ $source.pvc.subPath | quote }}, readOnly: true}
    - {name: models, mountPath: /models}
    {{- else }}
    {{- include "tritonkit.modelMounts" . | trim | nindent 4 }}
    {{- end }}
    {{- if $source.publicKey.configMap }}
    - {name: signer, mountPath: /signer, readOnly: true}
    {{- end }}
    - {name: tmp, mountPath: /tmp}
{{- end }}
{{- end -}}

{{/* The repository as rclone names it. */}}
{{- define "tritonkit.remote" -}}
{{- $source := .v.modelSource -}}
{{- if eq $source.type "s3" -}}models:{{ $source.s3.bucket }}/{{ $source.s3.prefix }}
{{- else if eq $source.type "gcs" -}}models:{{ $source.gcs.bucket }}/{{ $source.gcs.prefix }}
{{- else -}}models:{{ $source.azure.container }}/{{ $source.azure.prefix }}
{{- end -}}
{{- end -}}

{{/* rclone's configuration. Without a Secret no key variable exists: the cloud's own identity is found only then. */}}
{{- define "tritonkit.remoteEnv" -}}
{{- $source := .v.modelSource -}}
- {name: HOME, value: /tmp}
- {name: RCLONE_CONFIG, value: /tmp/rclone.conf}
{{- if eq $source.type "s3" }}
- {name: RCLONE_CONFIG_MODELS_TYPE, value: s3}
- {name: RCLONE_CONFIG_MODELS_PROVIDER, value: {{ ternary "Other" "AWS" (not (empty $source.s3.endpoint)) }}}
- {name: RCLONE_CONFIG_MODELS_ENV_AUTH, value: "true"}
{{- with $source.s3.region }}
- {name: RCLONE_CONFIG_MODELS_REGION, value: {{ . | quote }}}
{{- end }}
{{- with $source.s3.endpoint }}
- {name: RCLONE_CONFIG_MODELS_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- with $source.s3.existingSecret }}
{{- if .name }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: {secretKeyRef: {name: {{ .name | quote }}, key: {{ .accessKeyIdKey | quote }}}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: {secretKeyRef: {name: {{ .name | quote }}, key: {{ .secretAccessKeyKey | quote }}}}
{{- end }}
{{- end }}
{{- else if eq $source.type "gcs" }}
- {name: RCLONE_CONFIG_MODELS_TYPE, value: google cloud storage}
- {name: RCLONE_CONFIG_MODELS_BUCKET_POLICY_ONLY, value: "true"}
- {name: RCLONE_CONFIG_MODELS_ENV_AUTH, value: "true"}
{{- if $source.gcs.existingSecret.name }}
- {name: GOOGLE_APPLICATION_CREDENTIALS, value: /credentials/{{ $source.gcs.existingSecret.key }}}
{{- end }}
{{- else }}
- {name: RCLONE_CONFIG_MODELS_TYPE, value: azureblob}
- {name: RCLONE_CONFIG_MODELS_ACCOUNT, value: {{ $source.azure.account | quote }}}
{{- if $source.azure.existingSecret.name }}
- name: RCLONE_CONFIG_MODELS_KEY
  valueFrom: {secretKeyRef: {name: {{ $source.azure.existingSecret.name | quote }}, key: {{ $source.azure.existingSecret.key | quote }}}}
{{- else }}
- {name: RCLONE_CONFIG_MODELS_ENV_AUTH, value: "true"}
{{- end }}
{{- end }}
{{- end -}}
