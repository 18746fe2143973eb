{{/* TLS of the gRPC port. Everything takes the root context, but for the flags: root, v, track. */}}

{{- define "tritonkit.tlsArgs" -}}
{{- $args := list -}}
{{- if .root.Values.tls.existingSecret -}}
{{- $args = list "--grpc-use-ssl=true" "--grpc-server-cert=/tls/tls.crt" "--grpc-server-key=/tls/tls.key" -}}
{{- if .root.Values.tls.mutual -}}{{- $args = concat $args (list "--grpc-use-ssl-mutual=true" "--grpc-root-cert=/tls/ca.crt") -}}{{- end -}}
{{- end -}}
{{- toJson $args -}}
{{- end -}}

{{- define "tritonkit.tlsVolume" -}}
{{- with .Values.tls.existingSecret }}
- name: tls
  secret: {secretName: {{ . | quote }}, defaultMode: 288}
{{- end }}
{{- end -}}

{{- define "tritonkit.tlsMount" -}}
{{- if .Values.tls.existingSecret }}
- {name: tls, mountPath: /tls, readOnly: true}
{{- end }}
{{- end -}}

{{/* What a Service says of its gRPC port. */}}
{{- define "tritonkit.grpcAppProtocol" -}}
{{- ternary "https" "kubernetes.io/h2c" (not (empty .Values.tls.existingSecret)) -}}
{{- end -}}

{{- define "tritonkit.grpcScheme" -}}
{{- ternary "grpcs" "grpc" (not (empty .Values.tls.existingSecret)) -}}
{{- end -}}

{{- define "tritonkit.checksOfTls" -}}
{{- $tls := .Values.tls -}}
{{- if $tls.existingSecret -}}
{{- if eq .Values.probes.protocol "grpc" -}}
{{- include "tritonkit.problem" (list "probes.protocol" "a kubelet's gRPC probe speaks no TLS" "write http: port 8000 has none") -}}
{{- end -}}
{{- if .Values.loadTest.enabled -}}
{{- include "tritonkit.problem" (list "loadTest.enabled" "the load generator speaks no TLS to the gRPC port" "test a release without tls.existingSecret") -}}
{{- end -}}
{{- if and .Values.gateway.enabled .Values.gateway.grpc.enabled (not $tls.gatewayCaConfigMap) -}}
{{- include "tritonkit.problem" (list "tls.gatewayCaConfigMap" "is empty: the gateway would not know whom to trust behind the GRPCRoute" "name the ConfigMap whose ca.crt signed the certificate") -}}
{{- end -}}
{{- else -}}
{{- if $tls.mutual -}}
{{- include "tritonkit.problem" (list "tls.mutual" "is true without tls.existingSecret" "name the Secret with tls.crt, tls.key and ca.crt") -}}
{{- end -}}
{{- if $tls.gatewayCaConfigMap -}}
{{- include "tritonkit.problem" (list "tls.gatewayCaConfigMap" "is set, but tls.existingSecret is not: the port speaks clear text" "name the Secret, or leave both empty") -}}
{{- end -}}
{{- end -}}
{{- end -}}
