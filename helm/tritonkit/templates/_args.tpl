{{/* Triton's command line, from the values and from what the release understands: root, v, track. */}}

{{- define "tritonkit.args" -}}
{{- $v := .v -}}
{{- $args := list
      (printf "--model-repository=%s" (include "tritonkit.repository" .))
      (printf "--model-control-mode=%s" $v.triton.control) -}}
{{- if eq $v.triton.control "explicit" -}}
{{- range $v.models -}}{{- $args = append $args (printf "--load-model=%s" .name) -}}{{- end -}}
{{- end -}}
{{- range list "http" "grpc" "metrics" -}}
{{- $args = append $args (printf "--%s-address=%s" . $v.triton.listenAddress) -}}
{{- end -}}
{{- $args = concat $args (list
      "--http-port=8000" "--grpc-port=8001" "--metrics-port=8002"
      "--exit-on-error=true"
      "--strict-readiness=true"
      (printf "--exit-timeout-secs=%d" (int $v.termination.drainSeconds))
      "--allow-sagemaker=false"
      "--allow-vertex-ai=false"
      (printf "--model-load-thread-count=%d" (int $v.triton.modelLoadThreads))
      (printf "--http-thread-count=%d" (int $v.triton.httpThreads))
      "--log-format=ISO8601"
      (printf "--log-verbose=%d" (int $v.triton.logVerbose))) -}}
{{- if not $v.triton.autoComplete -}}{{- $args = append $args "--disable-auto-complete-config" -}}{{- end -}}
{{- with ternary (include "tritonkit.engineProfile" .) $v.triton.modelConfigName $v.engines.enabled -}}{{- $args = append $args (printf "--model-config-name=%s" .) -}}{{- end -}}
{{- $args = concat $args
      (include "tritonkit.newerArgs" . | fromJsonArray)
      (include "tritonkit.memoryArgs" . | fromJsonArray)
      (include "tritonkit.tlsArgs" . | fromJsonArray)
      (include "tritonkit.metricsArgs" . | fromJsonArray)
      (include "tritonkit.tracingArgs" . | fromJsonArray) -}}
{{- with .root.Values.admin.apis -}}
{{- /* Kubernetes puts the value of the variable there: the Secret stands in no manifest. */ -}}
{{- $group := printf "%s:tritonkit-admin=$(TRITONKIT_ADMIN_KEY)" (join "," .) -}}
{{- $args = append $args (printf "--http-restricted-api=%s" $group) -}}
{{- $args = append $args (printf "--grpc-restricted-protocol=%s" $group) -}}
{{- end -}}
{{- range $v.triton.backendConfig -}}{{- $args = append $args (printf "--backend-config=%s" .) -}}{{- end -}}
{{- toYaml (concat $args $v.triton.extraArgs) -}}
{{- end -}}

{{/* Flags that only some releases know. */}}
{{- define "tritonkit.newerArgs" -}}
{{- $since := (.root.Files.Get "files/releases.yaml" | fromYaml).flagsSince -}}
{{- $values := dict
      "--grpc-max-response-pool-size" (int .v.triton.grpcMaxResponsePoolSize)
      "--grpc-infer-thread-count" (int .v.triton.grpcInferThreads)
      "--http-max-input-size" (int64 .v.triton.httpMaxInputBytes)
      "--allow-client-shm" false -}}
{{- $args := list -}}
{{- range $flag, $release := $since -}}
{{- if include "tritonkit.isSince" (dict "v" $.v "since" $release) -}}
{{- $args = append $args (printf "%s=%v" $flag (get $values $flag)) -}}
{{- end -}}
{{- end -}}
{{- toJson $args -}}
{{- end -}}

{{- define "tritonkit.memoryArgs" -}}
{{- $args := list -}}
{{- with int64 .v.triton.grpcMaxConnectionAgeMs -}}
{{- $args = append $args (printf "--grpc-max-connection-age=%d" .) -}}
{{- $args = append $args (printf "--grpc-max-connection-age-grace=%d" (int64 $.v.triton.grpcMaxConnectionAgeGraceMs)) -}}
{{- end -}}
{{- with int64 .v.triton.pinnedMemoryPoolBytes -}}{{- $args = append $args (printf "--pinned-memory-pool-byte-size=%d" .) -}}{{- end -}}
{{- with int64 .v.triton.responseCacheBytes -}}{{- $args = append $args (printf "--cache-config=local,size=%d" .) -}}{{- end -}}
{{- toJson $args -}}
{{- end -}}

{{- define "tritonkit.metricsArgs" -}}
{{- $metrics := .v.triton.metrics -}}
{{- $args := list
      (printf "--metrics-interval-ms=%d" (int $metrics.intervalMs))
      (printf "--allow-gpu-metrics=%s" (include "tritonkit.gpuMetrics" .)) -}}
{{- if $metrics.histograms -}}{{- $args = append $args "--metrics-config=histogram_latencies=true" -}}{{- end -}}
{{- if $metrics.summaries -}}{{- $args = append $args "--metrics-config=summary_latencies=true" -}}{{- end -}}
{{- toJson $args -}}
{{- end -}}

{{- define "tritonkit.tracingArgs" -}}
{{- $args := list -}}
{{- with .root.Values.tracing -}}
{{- if .endpoint -}}
{{- $service := default (include "tritonkit.fullname" $.root) .serviceName -}}
{{- $args = list
      "--trace-config=mode=opentelemetry"
      (printf "--trace-config=opentelemetry,url=%s" .endpoint)
      (printf "--trace-config=opentelemetry,resource=service.name=%s" $service)
      (printf "--trace-config=rate=%d" (int .rate))
      "--trace-config=level=TIMESTAMPS" -}}
{{- end -}}
{{- end -}}
{{- toJson $args -}}
{{- end -}}
