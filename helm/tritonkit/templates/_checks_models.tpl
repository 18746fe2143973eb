{{/* Checks of what is served and where it comes from: root, track, at, v. */}}

{{- define "tritonkit.checksOfModels" -}}
{{- $at := printf "%smodels" .at -}}
{{- if not .v.models -}}
{{- include "tritonkit.problem" (list $at "is empty" "name what is served: models: [{name: NAME, manifestSha256: HEX}]; `tritonkit deploy REPOSITORY` writes it") -}}
{{- end -}}
{{- $seen := list -}}
{{- range .v.models -}}
{{- if eq .name "*" -}}
{{- include "tritonkit.problem" (list $at "`*` would load parts of older versions too" "name each served model") -}}
{{- else if not (regexMatch "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,49}$" .name) -}}
{{- include "tritonkit.problem" (list $at (printf "%q is no model name" .name) "write letters, digits, _ . and -, at most 50, as the folder is called") -}}
{{- end -}}
{{- if has .name $seen -}}
{{- include "tritonkit.problem" (list $at (printf "%s stands there twice" .name) "one entry a model: a pod serves one version") -}}
{{- end -}}
{{- $seen = append $seen .name -}}
{{- if and .manifestSha256 (not (regexMatch "^[0-9a-f]{64}$" .manifestSha256)) -}}
{{- include "tritonkit.problem" (list $at (printf "manifestSha256 of %s is no digest" .name) "write the 64 hex digits of `sha256sum manifest.json`, without `sha256:`") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tritonkit.checksOfSource" -}}
{{- $source := .v.modelSource -}}
{{- $at := printf "%smodelSource" .at -}}
{{- range $type, $keys := dict "pvc" (list "claimName") "s3" (list "bucket") "gcs" (list "bucket") "azure" (list "account" "container") "imageVolume" (list "reference") "baked" (list "path") -}}
{{- range $key := $keys -}}
{{- $value := get (get $source $type) $key -}}
{{- if and $value (ne $type $source.type) -}}
{{- include "tritonkit.problem" (list (printf "%s.%s.%s" $at $type $key) (printf "is set, but modelSource.type is %s" $source.type) (printf "exactly one source: set type: %s, or leave this empty" $type)) -}}
{{- end -}}
{{- if and (not $value) (eq $type $source.type) -}}
{{- include "tritonkit.problem" (list (printf "%s.%s.%s" $at $type $key) (printf "is empty, but modelSource.type is %s" $type) "name it, or choose another type") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $source.verify (ne $source.type "baked") (not .root.Values.kitImage.repository) -}}
{{- include "tritonkit.problem" (list "kitImage.repository" "is empty, but modelSource.verify needs the kit" "build Dockerfile, push it and name it here") -}}
{{- end -}}
{{- if and $source.publicKey.configMap (or (not $source.verify) (eq $source.type "baked")) -}}
{{- include "tritonkit.problem" (list (printf "%s.publicKey.configMap" $at) "is set, but nothing is verified" "set modelSource.verify: true; a baked repository is pinned by its image's digest: sign the image") -}}
{{- end -}}
{{- if not (include "tritonkit.bytes" $source.sizeLimit) -}}
{{- include "tritonkit.problem" (list (printf "%s.sizeLimit" $at) (printf "%q is no size" (toString $source.sizeLimit)) "write it as in 10Gi") -}}
{{- end -}}
{{- if eq $source.type "pvc" -}}
{{- include "tritonkit.checksOfFolder" (list (printf "%s.pvc.subPath" $at) $source.pvc.subPath) -}}
{{- if not $source.pvc.subPath -}}
{{- include "tritonkit.problem" (list (printf "%s.pvc.subPath" $at) "is empty: a volume's root holds `lost+found`, with which Triton does not start" "put the repository into a folder and name it") -}}
{{- end -}}
{{- else if eq $source.type "baked" -}}
{{- if and $source.baked.path (not (hasPrefix "/" $source.baked.path)) -}}
{{- include "tritonkit.problem" (list (printf "%s.baked.path" $at) (printf "%q is relative" $source.baked.path) "write the folder's absolute path in the image") -}}
{{- end -}}
{{- else if eq $source.type "imageVolume" -}}
{{- include "tritonkit.checksOfImageVolume" . -}}
{{- else -}}
{{- include "tritonkit.checksOfStore" . -}}
{{- end -}}
{{- end -}}

{{/* path of the value, folder inside a volume. */}}
{{- define "tritonkit.checksOfFolder" -}}
{{- if or (hasPrefix "/" (index . 1)) (has ".." (splitList "/" (index . 1))) -}}
{{- include "tritonkit.problem" (list (index . 0) (printf "%q leaves the volume" (index . 1)) "write a folder inside it, without a leading / and without ..") -}}
{{- end -}}
{{- end -}}

{{- define "tritonkit.checksOfImageVolume" -}}
{{- $image := .v.modelSource.imageVolume -}}
{{- $at := printf "%smodelSource.imageVolume" .at -}}
{{- if and $image.reference (not (regexMatch "@sha256:[0-9a-f]{64}$" $image.reference)) -}}
{{- include "tritonkit.problem" (list (printf "%s.reference" $at) "has no digest: its tag may mean another repository tomorrow" "write registry/repository@sha256:DIGEST") -}}
{{- end -}}
{{- include "tritonkit.checksOfFolder" (list (printf "%s.subPath" $at) $image.subPath) -}}
{{- $version := .root.Capabilities.KubeVersion.Version -}}
{{- if and (not $image.featureGateEnabled) (semverCompare "<1.35.0-0" $version) -}}
{{- include "tritonkit.problem" (list (printf "%smodelSource.type" .at) (printf "imageVolume needs Kubernetes 1.35, this is %s" $version) "use another source; or turn on the cluster's ImageVolume gate (1.33) and set imageVolume.featureGateEnabled: true") -}}
{{- end -}}
{{- end -}}

{{- define "tritonkit.checksOfStore" -}}
{{- $source := .v.modelSource -}}
{{- $at := printf "%smodelSource.%s" .at $source.type -}}
{{- $store := get $source $source.type -}}
{{- $bucket := default "" (default $store.container $store.bucket) -}}
{{- if or (contains "://" $bucket) (contains "/" $bucket) -}}
{{- include "tritonkit.problem" (list $at (printf "%q is no name of a bucket" $bucket) "write the bucket's bare name, and the folder in prefix") -}}
{{- end -}}
{{- if or (hasPrefix "/" $store.prefix) (hasSuffix "/" $store.prefix) -}}
{{- include "tritonkit.problem" (list (printf "%s.prefix" $at) (printf "%q begins or ends with /" $store.prefix) "write it as in releases/42") -}}
{{- end -}}
{{- if eq $source.type "s3" -}}
{{- if and $store.endpoint (not (regexMatch "^https?://" $store.endpoint)) -}}
{{- include "tritonkit.problem" (list (printf "%s.endpoint" $at) (printf "%q has no scheme" $store.endpoint) "write https://host:port") -}}
{{- end -}}
{{- if and (not $store.endpoint) (not $store.region) -}}
{{- include "tritonkit.problem" (list (printf "%s.region" $at) "is empty" "name the bucket's region; for another store than AWS set endpoint") -}}
{{- end -}}
{{- if and $store.existingSecret.name (hasKey .root.Values.serviceAccount.annotations "eks.amazonaws.com/role-arn") -}}
{{- include "tritonkit.problem" (list (printf "%s.existingSecret.name" $at) "hides the role of serviceAccount.annotations: key variables win over an identity" "take one of the two away") -}}
{{- end -}}
{{- end -}}
{{- end -}}
