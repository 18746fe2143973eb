{{/* Arithmetic: Kubernetes quantities, and times that follow from one another. */}}

{{/* Bytes of a quantity like 8Gi, as digits; nothing if it is none. */}}
{{- define "tritonkit.bytes" -}}
{{- $text := toString . -}}
{{- if regexMatch "^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$" $text -}}
{{- $number := regexFind "^[0-9.]+" $text | float64 -}}
{{- $units := dict "" 1.0 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 -}}
{{- printf "%.0f" (mulf $number (get $units (regexFind "[A-Za-z]*$" $text))) -}}
{{- end -}}
{{- end -}}

{{/* Seconds from the request to stop a pod to its end: v. */}}
{{- define "tritonkit.stopSeconds" -}}
{{- add (int .v.termination.preStopSeconds) (int .v.termination.drainSeconds) (int .v.termination.unloadSeconds) -}}
{{- end -}}

{{- define "tritonkit.gracePeriodSeconds" -}}
{{- default (include "tritonkit.stopSeconds" . | int) (int .v.termination.gracePeriodSeconds) -}}
{{- end -}}

{{/* How many probes in a row span at least `seconds`: v, seconds. */}}
{{- define "tritonkit.probes" -}}
{{- $period := int .v.probes.periodSeconds -}}
{{- div (add (int .seconds) (sub $period 1)) $period -}}
{{- end -}}

{{/* Two model loads: what scaling down must wait, or it sends away what it then waits for. At most an hour. */}}
{{- define "tritonkit.scaleDownSeconds" -}}
{{- min 3600 (max 300 (mul 2 (int .Values.startup.maxLoadSeconds))) -}}
{{- end -}}
