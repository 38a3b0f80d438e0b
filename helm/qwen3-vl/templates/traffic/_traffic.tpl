{{/* What the ways into a pool share. All take a pool's context. */}}

{{/* Seconds that a request may take before somebody in front of the gateway cuts it off: its own
     deadline, or else the wait for the engine, the pictures that it names by URL and the longest
     answer at 50 ms a token, twice what a drain reckons with; and 15 in reserve. A silent stream
     ends long before, by gateway.idle_timeout_seconds. */}}
{{- define "qwen3-vl.requestSeconds" -}}
{{- $gateway := (include "qwen3-vl.settingsWithDefaults" . | fromJson).gateway -}}
{{- $answer := max (ceil $gateway.drain_seconds) (mulf 0.05 $gateway.max_output_tokens | ceil) -}}
{{- $longest := addf $gateway.max_queue_seconds $gateway.media_timeout_seconds $answer -}}
{{- add (default $longest $gateway.max_request_seconds | ceil) 15 -}}
{{- end -}}

{{/* The Helm release of a pool's picker: the pool's name, cut to 40 characters as its chart would,
     but so that no two pools share one. */}}
{{- define "qwen3-vl.pickerRelease" -}}
{{- $name := include "qwen3-vl.poolname" . -}}
{{- if gt (len $name) 40 -}}
{{- $name = printf "%s-%s" (trunc 31 $name) (sha256sum $name | trunc 8) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* The Service of a pool's picker, as the picker's chart names it. */}}
{{- define "qwen3-vl.pickerService" -}}
{{- printf "%s-epp" (include "qwen3-vl.pickerRelease" .) -}}
{{- end -}}

{{/* What the picker's pods are found by, as its chart labels them where it makes no pool. */}}
{{- define "qwen3-vl.pickerSelector" -}}
llm-d-router-standalone: {{ include "qwen3-vl.pickerService" . }}
{{- end -}}

{{/* The version of the picker and of its chart that configuration and values are written for. */}}
{{- define "qwen3-vl.pickerVersion" -}}
v0.11.0
{{- end -}}

{{/* How a pool's picker is installed, for NOTES. */}}
{{- define "qwen3-vl.pickerNotes" -}}
{{- if .pool.inferencePool.enabled -}}
{{- $namespace := .root.Release.Namespace }}
  picker         its own release, now and after each change of this pool (with Istio add
                 --set provider.name=istio); PICKER_CHART is the address (oci://…) that llm-d's
                 releases give for their chart llm-d-router-gateway:
  kubectl -n {{ $namespace }} get configmap {{ include "qwen3-vl.poolname" . }}-picker -o jsonpath='{.data.values\.yaml}' |
    helm -n {{ $namespace }} upgrade --install {{ include "qwen3-vl.pickerRelease" . }} PICKER_CHART --version {{ include "qwen3-vl.pickerVersion" . }} --values -
{{- end -}}
{{- end -}}
