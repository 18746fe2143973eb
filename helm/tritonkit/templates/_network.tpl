{{/* Openings of the NetworkPolicies that several pods share: names, the object store, the cloud's identity. */}}

{{- define "tritonkit.egress" -}}
{{- $policy := .Values.networkPolicy -}}
{{- with $policy.dns }}
- to:
    {{- toYaml . | nindent 4 }}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end }}
{{- if include "tritonkit.readsStore" . }}
- to:
    {{- range $policy.store.cidrs }}
    - ipBlock:
        cidr: {{ . | quote }}
        {{- if eq . "0.0.0.0/0" }}
        {{- with $policy.store.except }}
        except:
          {{- toYaml . | nindent 10 }}
        {{- end }}
        {{- end }}
    {{- end }}
  ports:
    - {protocol: TCP, port: {{ int $policy.store.port }}}
{{- end }}
{{- with include "tritonkit.metadataService" . | fromJson }}
- to:
    {{- range .addresses }}
    - ipBlock: {cidr: {{ . }}}
    {{- end }}
  ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ int . }}}
    {{- end }}
{{- end }}
{{- end -}}

{{/* `true` if any track reads from an object store. */}}
{{- define "tritonkit.readsStore" -}}
{{- range $track := include "tritonkit.tracks" . | fromJsonArray -}}
{{- include "tritonkit.isStore" (dict "v" (include "tritonkit.trackValues" (dict "root" $ "track" $track) | fromJson)) -}}
{{- end -}}
{{- end -}}

{{/*
Link-local addresses at which a pod gets its identity, as JSON. IRSA and Azure workload identity have none: they exchange
a projected token at STS or Entra ID, which are reached as the store is.
*/}}
{{- define "tritonkit.metadataService" -}}
{{- $identity := .Values.networkPolicy.identity -}}
{{- if eq $identity "auto" -}}
{{- $identity = ternary "gkeMetadata" "none" (and (eq .Values.modelSource.type "gcs") (empty .Values.modelSource.gcs.existingSecret.name)) -}}
{{- end -}}
{{- $services := dict
      "awsPodIdentity" (dict "addresses" (list "169.254.170.23/32") "ports" (list 80))
      "awsInstance" (dict "addresses" (list "169.254.169.254/32") "ports" (list 80))
      "gkeMetadata" (dict "addresses" (list "169.254.169.252/32" "169.254.169.254/32") "ports" (list 80 988))
      "azureInstance" (dict "addresses" (list "169.254.169.254/32") "ports" (list 80)) -}}
{{- toJson (default (dict) (get $services $identity)) -}}
{{- end -}}

{{- define "tritonkit.collectorPort" -}}
{{- $port := regexFind ":[0-9]+" (regexReplaceAll "^https?://" .Values.tracing.endpoint "") | trimPrefix ":" -}}
{{- default "4318" $port -}}
{{- end -}}
