{{/*
The alerts, as JSON: name, expr, for, severity, labels, summary. Ratios are sums over sums, so that an idle model weighs
nothing and half a request a second counts as half a request. docs/runbooks has a page for each.
*/}}
{{- define "tritonkit.alerts" -}}
{{- $s := include "tritonkit.series" . -}}
{{- $rules := .Values.monitoring.rules -}}
{{- $group := "namespace, triton_release, track, model" -}}
{{- $pod := "namespace, triton_release, track, pod, model" -}}
{{- $alerts := list -}}

{{- $alerts = append $alerts (dict "name" "TritonDown" "severity" "critical" "for" "2m"
      "expr" (printf "absent(up{%s} == 1)" $s)
      "summary" "No server of {{ $labels.triton_release }} answers.") -}}

{{- $alerts = append $alerts (dict "name" "TritonReplicaDown" "severity" "warning" "for" "10m"
      "expr" (printf "up{%s} == 0" $s)
      "summary" "{{ $labels.pod }} has not answered for ten minutes.") -}}

{{- range $track := include "tritonkit.tracks" . | fromJsonArray -}}
{{- range (include "tritonkit.trackValues" (dict "root" $ "track" $track) | fromJson).models -}}
{{- $alerts = append $alerts (dict "name" "TritonModelMissing" "severity" "critical" "for" "5m" "labels" (dict "model" .name)
      "expr" (printf "(up{%s,track=%q} == 1) unless on (namespace, pod) nv_inference_request_success{%s,model=%q}" $s $track $s .name)
      "summary" (printf "{{ $labels.pod }} answers, but does not serve %s." .name)) -}}
{{- end -}}
{{- end -}}

{{- $failed := printf "nv_inference_request_failure{%s,reason!=\"CANCELED\"}" $s -}}
{{- $answered := printf "nv_inference_request_success{%s}" $s -}}
{{- $alerts = append $alerts (dict "name" "TritonRequestsFailing" "severity" "critical" "for" "5m"
      "expr" (printf "sum by (%s) (rate(%s[5m])) / (sum by (%s) (rate(%s[5m])) + sum by (%s) (rate(%s[5m]))) > %v and sum by (%s) (increase(%s[5m])) >= 3" $group $failed $group $failed $group $answered $rules.failureRatio $group $failed)
      "summary" "{{ $value | humanizePercentage }} of the requests to {{ $labels.model }} fail.") -}}

{{- $alerts = append $alerts (dict "name" "TritonBackendBroken" "severity" "critical" "for" "3m"
      "expr" (printf "sum by (%s) (rate(nv_inference_request_failure{%s,reason=\"BACKEND\"}[5m])) > 0 unless sum by (%s) (rate(%s[5m])) > 0" $pod $s $pod $answered)
      "summary" "{{ $labels.model }} on {{ $labels.pod }} answers nothing but errors of its backend.") -}}

{{- $alerts = append $alerts (dict "name" "TritonQueueSlow" "severity" "warning" "for" "10m"
      "expr" (printf "sum by (%s) (rate(nv_inference_queue_duration_us{%s}[5m])) / (sum by (%s) (rate(%s[5m])) > 0) > %d" $group $s $group $answered (mul 1000 (int $rules.queueMs)))
      "summary" "Requests to {{ $labels.model }} wait {{ $value | humanize }} us in its queue.") -}}

{{- $alerts = append $alerts (dict "name" "TritonQueueStuck" "severity" "critical" "for" "5m"
      "expr" (printf "sum by (%s) (min_over_time(nv_inference_pending_request_count{%s}[5m])) > 0 unless sum by (%s) (rate(nv_inference_exec_count{%s}[5m])) > 0" $pod $s $pod $s)
      "summary" "{{ $value }} requests wait for {{ $labels.model }} on {{ $labels.pod }}, and none is executed.") -}}

{{- $alerts = append $alerts (dict "name" "TritonRequestsTimingOut" "severity" "warning" "for" "5m"
      "expr" (printf "sum by (%s) (rate(nv_inference_request_failure{%s,reason=\"REJECTED\"}[5m])) > 0" $group $s)
      "summary" "Requests to {{ $labels.model }} time out in its queue.") -}}

{{- $alerts = append $alerts (dict "name" "TritonClientsGivingUp" "severity" "warning" "for" "10m"
      "expr" (printf "sum by (%s) (rate(nv_inference_request_failure{%s,reason=\"CANCELED\"}[5m])) / (sum by (%s) (rate(nv_inference_request_failure{%s}[5m])) + sum by (%s) (rate(%s[5m]))) > 0.05" $group $s $group $s $group $answered)
      "summary" "{{ $value | humanizePercentage }} of the requests to {{ $labels.model }} are cancelled by their callers.") -}}

{{- $alerts = append $alerts (dict "name" "TritonLoadUneven" "severity" "warning" "for" "15m"
      "expr" (printf "max by (%s) (sum by (%s) (rate(%s[10m]))) / (avg by (%s) (sum by (%s) (rate(%s[10m]))) > 1) > 1.8" $group $pod $answered $group $pod $answered)
      "summary" "One replica answers {{ $value | humanize }} times the mean of {{ $labels.model }}: clients hold on to their connections.") -}}

{{- $alerts = append $alerts (dict "name" "TritonRestarting" "severity" "warning" "for" "0m"
      "expr" (printf "max by (namespace, triton_release, track, pod) (resets(nv_inference_exec_count{%s}[1h])) > 2" $s)
      "summary" "{{ $labels.pod }} restarted {{ $value }} times within an hour.") -}}

{{- $alerts = append $alerts (dict "name" "TritonPinnedMemoryFull" "severity" "warning" "for" "15m"
      "expr" (printf "nv_pinned_memory_pool_used_bytes{%s} / nv_pinned_memory_pool_total_bytes{%s} > 0.95" $s $s)
      "summary" "The pinned memory of {{ $labels.pod }} is {{ $value | humanizePercentage }} full: transfers to the GPU slow down.") -}}

{{- $alerts = concat $alerts (include "tritonkit.alertsOfRelease" . | fromJsonArray) -}}
{{- toJson $alerts -}}
{{- end -}}

{{/* Alerts on figures that not every release, mode or setting gives. */}}
{{- define "tritonkit.alertsOfRelease" -}}
{{- $s := include "tritonkit.series" . -}}
{{- $group := "namespace, triton_release, track, model" -}}
{{- $alerts := list -}}
{{- $histograms := (.Files.Get "files/releases.yaml" | fromYaml).histogramsSince -}}
{{- if and .Values.triton.metrics.histograms (include "tritonkit.isSince" (dict "v" .Values "since" $histograms)) -}}
{{- $alerts = append $alerts (dict "name" "TritonLatencyHigh" "severity" "warning" "for" "10m"
      "expr" (printf "histogram_quantile(0.99, sum by (%s, le) (rate(nv_inference_first_response_histogram_ms_bucket{%s}[5m]))) > %d" $group $s (int .Values.monitoring.rules.latencyP99Ms))
      "summary" "99 of 100 requests to {{ $labels.model }} take up to {{ $value | humanize }} ms.") -}}
{{- end -}}
{{- if include "tritonkit.isSince" (dict "v" .Values "since" "24.11") -}}
{{- $alerts = append $alerts (dict "name" "TritonLoadsSlowly" "severity" "warning" "for" "0m"
      "expr" (printf "max by (%s) (nv_model_load_duration_secs{%s}) > %v" $group $s (mulf 0.8 (float64 .Values.startup.maxLoadSeconds)))
      "summary" (printf "{{ $labels.model }} took {{ $value | humanizeDuration }} to load; startup.maxLoadSeconds is %d." (int .Values.startup.maxLoadSeconds))) -}}
{{- end -}}
{{- if eq (include "tritonkit.gpuMetrics" (dict "v" .Values)) "true" -}}
{{- $alerts = append $alerts (dict "name" "TritonGpuMemoryFull" "severity" "warning" "for" "15m"
      "expr" (printf "nv_gpu_memory_used_bytes{%s} / nv_gpu_memory_total_bytes{%s} > 0.95" $s $s)
      "summary" "The memory of GPU {{ $labels.gpu_uuid }} on {{ $labels.pod }} is {{ $value | humanizePercentage }} full.") -}}
{{- end -}}
{{- if gt (int64 .Values.triton.responseCacheBytes) 0 -}}
{{- $alerts = append $alerts (dict "name" "TritonCacheUseless" "severity" "info" "for" "1h"
      "expr" (printf "sum by (%s) (rate(nv_cache_num_hits_per_model{%s}[30m])) / (sum by (%s) (rate(nv_cache_num_hits_per_model{%s}[30m])) + sum by (%s) (rate(nv_cache_num_misses_per_model{%s}[30m])) > 0.1) < 0.05" $group $s $group $s $group $s)
      "summary" "Only {{ $value | humanizePercentage }} of the requests to {{ $labels.model }} are answered from the cache.") -}}
{{- end -}}
{{- toJson $alerts -}}
{{- end -}}
