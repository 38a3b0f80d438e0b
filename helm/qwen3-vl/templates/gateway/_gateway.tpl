{{/* The gateway: as a native sidecar it starts before the engine and ends after it. As an ordinary
     container it gets SIGTERM with the engine, so that its own preStop joins the drain. */}}
{{- define "qwen3-vl.gatewayContainer" -}}
{{- $memory := default (printf "%sMi" (include "qwen3-vl.gatewayMemoryMiB" .)) .pool.gateway.resources.memory -}}
{{- $resources := .pool.gateway.resources -}}
name: gateway
image: {{ include "qwen3-vl.gatewayImage" (dict "root" .root) | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: [gateway, --config, /etc/qwen3-vl/settings.yaml]
{{- if .pool.gateway.nativeSidecar }}
restartPolicy: Always
{{- end }}
ports:
- {name: http, containerPort: 8000, protocol: TCP}
- {name: admin, containerPort: 9000, protocol: TCP}
env:
{{ include "qwen3-vl.gatewayEnv" . }}
{{- if not .pool.gateway.nativeSidecar }}
lifecycle:
  preStop:
    exec:
      command: [python, -m, serving, drain, --config, /etc/qwen3-vl/settings.yaml]
{{- end }}
startupProbe:
  httpGet: {path: /healthz, port: 9000}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 60
readinessProbe:
  httpGet: {path: /readyz, port: 9000}
  periodSeconds: 3
  timeoutSeconds: 3
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /healthz, port: 9000}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
  terminationGracePeriodSeconds: 10
resources:
  {{- include "qwen3-vl.resources" (dict "cpu" $resources.cpu "memory" $memory "disk" $resources.ephemeralStorage) | nindent 2 }}
securityContext:
  {{- include "qwen3-vl.containerSecurityContext" (dict "readOnly" true) | nindent 2 }}
volumeMounts:
- {name: settings, mountPath: /etc/qwen3-vl, readOnly: true}
- {name: run, mountPath: /run/qwen3-vl}
- {name: gateway-tmp, mountPath: /tmp}
{{- if include "qwen3-vl.keysSecret" .root }}
- {name: keys, mountPath: /etc/qwen3-vl-keys, readOnly: true}
{{- end }}
{{- if .root.Values.tls.existingSecret }}
- {name: tls, mountPath: /etc/qwen3-vl-tls, readOnly: true}
{{- end }}
{{- end -}}

{{/* The gateway's environment. HOST is set because the image's own would win over the settings. */}}
{{- define "qwen3-vl.gatewayEnv" -}}
- {name: HOST, value: {{ default "0.0.0.0" .pool.settings.gateway.host | quote }}}
{{- with .root.Values.store.existingSecret }}
- name: SERVING_STORE__URL
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: {{ $.root.Values.store.key }}}
{{- end }}
{{- with .pool.gateway.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
