{{/*
What the schema cannot say: one line for each value that cannot work, with what to write instead. Lines, not the first
failure alone: a person corrects all of them at once.
*/}}

{{- define "tritonkit.checks" -}}
{{- include "tritonkit.checksOfRelease" . -}}
{{- include "tritonkit.checksOfTraffic" . -}}
{{- include "tritonkit.checksOfScaling" . -}}
{{- include "tritonkit.checksOfNetwork" . -}}
{{- include "tritonkit.checksOfTls" . -}}
{{- range $track := include "tritonkit.tracks" . | fromJsonArray -}}
{{- $context := dict "root" $ "track" $track "at" (ternary "" "canary: " (eq $track "stable")) "v" (include "tritonkit.trackValues" (dict "root" $ "track" $track) | fromJson) -}}
{{- include "tritonkit.checksOfModels" $context -}}
{{- include "tritonkit.checksOfSource" $context -}}
{{- include "tritonkit.checksOfImages" $context -}}
{{- include "tritonkit.checksOfTimes" $context -}}
{{- end -}}
{{- include "tritonkit.checksOfGpuProfiles" . -}}
{{- range include "tritonkit.servers" . | fromJsonArray -}}
{{- $context := merge (dict "root" $ "at" (ternary "" "canary: " (eq .track "stable"))) . -}}
{{- with .gpuProfile -}}{{- $_ := set $context "at" (printf "gpuProfiles: %s: " .) -}}{{- end -}}
{{- $_ := set $context "v" (include "tritonkit.trackValues" $context | fromJson) -}}
{{- include "tritonkit.checksOfServer" $context -}}
{{- include "tritonkit.checksOfGpu" $context -}}
{{- include "tritonkit.checksOfEngines" $context -}}
{{- include "tritonkit.checksOfMemory" $context -}}
{{- end -}}
{{- if eq .Values.profile "production" -}}
{{- include "tritonkit.checksOfProduction" . -}}
{{- end -}}
{{- end -}}

{{/* One line: where, what is wrong, what to write. */}}
{{- define "tritonkit.problem" }}
- {{ index . 0 }}: {{ index . 1 }}; {{ index . 2 }}
{{- end -}}

{{- define "tritonkit.checksOfRelease" -}}
{{- $name := include "tritonkit.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- include "tritonkit.problem" (list "fullnameOverride" (printf "%q is no name of a Service" $name) "write lower-case letters, digits and dashes, a letter first") -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- include "tritonkit.problem" (list "serviceAccount.name" "is empty while serviceAccount.create is false" "name the existing account, or set create: true") -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) .Values.serviceAccount.annotations -}}
{{- include "tritonkit.problem" (list "serviceAccount.annotations" "would be lost while serviceAccount.create is false" "annotate the existing account yourself, or set create: true") -}}
{{- end -}}
{{- range $key, $_ := .Values.podLabels -}}
{{- if or (hasPrefix "app.kubernetes.io/" $key) (hasPrefix "tritonkit/" $key) -}}
{{- include "tritonkit.problem" (list "podLabels" (printf "%s is one of the chart's selectors" $key) "use a key of your own") -}}
{{- end -}}
{{- end -}}
{{- with .Values.monitoring.rules.runbookBase -}}
{{- if not (regexMatch "^https?://" .) -}}
{{- include "tritonkit.problem" (list "monitoring.rules.runbookBase" (printf "%q is no address" .) "write https://..., or leave it empty") -}}
{{- end -}}
{{- end -}}
{{- if and (or .Values.test.enabled .Values.loadTest.enabled) (not .Values.kitImage.repository) -}}
{{- include "tritonkit.problem" (list "kitImage.repository" "is empty, but test.enabled or loadTest.enabled needs the kit" "build Dockerfile, push it and name it here; or set test.enabled: false") -}}
{{- end -}}
{{- include "tritonkit.checksOfLoadTest" . -}}
{{- end -}}

{{- define "tritonkit.checksOfLoadTest" -}}
{{- if .Values.loadTest.enabled -}}
{{- $names := list -}}
{{- range .Values.models -}}{{- $names = append $names .name -}}{{- end -}}
{{- if and .Values.loadTest.model (not (has .Values.loadTest.model $names)) -}}
{{- include "tritonkit.problem" (list "loadTest.model" (printf "%q is not served" .Values.loadTest.model) (printf "one of: %s" (join ", " $names))) -}}
{{- end -}}
{{- if has "model-config" .Values.admin.apis -}}
{{- include "tritonkit.problem" (list "loadTest.enabled" "the load generator reads the model's configuration, which admin.apis restricts" "take model-config out of admin.apis while you test") -}}
{{- end -}}
{{- if and .Values.loadTest.rate (not (regexMatch "^[0-9.,^]+$" (toString .Values.loadTest.rate))) -}}
{{- include "tritonkit.problem" (list "loadTest.rate" (printf "%q is no rate" .Values.loadTest.rate) "write requests a second, as in 200, 50..400, 50,100,200 or 100^400") -}}
{{- end -}}
{{- end -}}
{{- end -}}
