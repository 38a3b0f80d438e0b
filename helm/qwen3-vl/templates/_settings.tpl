{{/* What a pool's engine and gateway are configured with: the pool's settings, and over them what
     only the chart can know. JSON, which is YAML: Helm would print large integers as floats. */}}
{{- define "qwen3-vl.settings" -}}
{{- $engine := dict "listen" "/run/qwen3-vl/engine/engine.sock" "model" (include "qwen3-vl.servedModel" .) -}}
{{- $gateway := dict "port" 8000 "admin_port" 9000 "image" (include "qwen3-vl.gatewayImage" (dict "root" .root)) -}}
{{- if include "qwen3-vl.keysSecret" .root -}}
{{- $gateway = set $gateway "keys_file" "/etc/qwen3-vl-keys/keys.yaml" -}}
{{- end -}}
{{- if .root.Values.tls.existingSecret -}}
{{- $gateway = mergeOverwrite $gateway (dict "tls_cert_file" "/etc/qwen3-vl-tls/tls.crt" "tls_key_file" "/etc/qwen3-vl-tls/tls.key") -}}
{{- end -}}
{{- $store := dict -}}
{{- if not .root.Values.store.existingSecret -}}
{{- $store = dict "usage" false -}}
{{- end -}}
{{- mergeOverwrite (deepCopy .pool.settings) (dict "engine" $engine "gateway" $gateway "store" $store) | toPrettyJson -}}
{{- end -}}

{{/* The settings with the product's defaults under them, as JSON: what arithmetic reads. A profile's
     own values are not in it. */}}
{{- define "qwen3-vl.settingsWithDefaults" -}}
{{- $defaults := .root.Files.Get "settings-defaults.json" | fromJson -}}
{{- range $group, $options := .pool.settings -}}
{{- range $option, $value := $options -}}
{{- $_ := set (index $defaults $group) $option $value -}}
{{- end -}}
{{- end -}}
{{- $defaults | toJson -}}
{{- end -}}

{{/* The Secret with the file of keys; none where only the store has keys. Takes the root. */}}
{{- define "qwen3-vl.keysSecret" -}}
{{- if or .Values.keys.existingSecret (not .Values.store.existingSecret) -}}
{{- default (printf "%s-keys" (include "qwen3-vl.fullname" .)) .Values.keys.existingSecret -}}
{{- end -}}
{{- end -}}

{{/* The Secret with a client's key, for jobs that ask. Takes the root. */}}
{{- define "qwen3-vl.clientKeySecret" -}}
{{- default (printf "%s-client-key" (include "qwen3-vl.fullname" .)) .Values.clientKey.existingSecret -}}
{{- end -}}
