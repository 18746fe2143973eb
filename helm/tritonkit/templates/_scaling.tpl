{{/* What scaling looks at, and how fast it may act. */}}

{{- define "tritonkit.scalingBehaviour" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  policies:
    - {type: Percent, value: 100, periodSeconds: 30}
    - {type: Pods, value: 2, periodSeconds: 30}
  selectPolicy: Max
scaleDown:
  # Twice the time that a model takes to load: what is sent away cannot be had back sooner.
  stabilizationWindowSeconds: {{ include "tritonkit.scaleDownSeconds" . }}
  policies:
    - {type: Pods, value: 1, periodSeconds: 60}
{{- end -}}

{{/* Requests that wait, over all pods and models. No pod counts as none. */}}
{{- define "tritonkit.pendingQuery" -}}
sum(nv_inference_pending_request_count{ {{- . -}} }) or vector(0)
{{- end -}}

{{/*
Mean time in the queue of the busiest model, in microseconds: a ratio of sums, by model. Over all models it would be
diluted by those that never queue, an ensemble among them; a mean of ratios by the idle ones. No traffic gives 0, not NaN.
*/}}
{{- define "tritonkit.queueQuery" -}}
max(sum by (model) (rate(nv_inference_queue_duration_us{ {{- . -}} }[2m])) / (sum by (model) (rate(nv_inference_request_success{ {{- . -}} }[2m])) > 0)) or vector(0)
{{- end -}}
