{{/* What the HPA reads through an adapter. Both are 0, and not absent, without traffic. */}}
{{- define "tritonkit.recordings" -}}
{{- $s := include "tritonkit.series" . -}}
{{- $by := "namespace, triton_release, track" -}}
- record: tritonkit:pending_requests:sum
  expr: 'sum by ({{ $by }}) (nv_inference_pending_request_count{ {{- $s -}} })'
- record: tritonkit:queue_us:max
  expr: >-
    max by ({{ $by }}) (
    sum by ({{ $by }}, model) (rate(nv_inference_queue_duration_us{ {{- $s -}} }[2m]))
    / (sum by ({{ $by }}, model) (rate(nv_inference_request_success{ {{- $s -}} }[2m])) > 0))
    or sum by ({{ $by }}) (nv_inference_pending_request_count{ {{- $s -}} }) * 0
{{- end -}}
