{{/* What the pods that ask a pool have in common. */}}

{{/* A pool's address within the cluster; takes a pool. Under TLS the certificate must name it. */}}
{{- define "qwen3-vl.poolUrl" -}}
{{- $scheme := include "qwen3-vl.scheme" .root -}}
{{- printf "%s://%s.%s.svc:%d" $scheme (include "qwen3-vl.poolname" .) .root.Release.Namespace (int64 .pool.servicePort) -}}
{{- end -}}

{{/* Environment of such a container; takes the root. Python 3.13 trusts a server's own certificate,
     whoever signed it, where it is told to trust that one alone. */}}
{{- define "qwen3-vl.clientEnv" -}}
- {name: HOME, value: /tmp}
{{- if .Values.tls.existingSecret }}
- {name: SSL_CERT_FILE, value: /etc/qwen3-vl-tls/tls.crt}
{{- end }}
{{- end -}}

{{/* Where such a container finds key and certificate; takes the root. */}}
{{- define "qwen3-vl.clientMounts" -}}
- {name: client-key, mountPath: /etc/qwen3-vl-client-key, readOnly: true}
{{- if .Values.tls.existingSecret }}
- {name: certificate, mountPath: /etc/qwen3-vl-tls, readOnly: true}
{{- end }}
- {name: tmp, mountPath: /tmp}
{{- end -}}

{{/* The volumes of these mounts; takes the root. The certificate's private key stays away. */}}
{{- define "qwen3-vl.clientVolumes" -}}
- name: client-key
  secret:
    secretName: {{ include "qwen3-vl.clientKeySecret" . | quote }}
    defaultMode: 0440
    items:
    - {key: {{ .Values.clientKey.key | quote }}, path: key}
{{- with .Values.tls.existingSecret }}
- name: certificate
  secret:
    secretName: {{ . | quote }}
    defaultMode: 0440
    items:
    - {key: tls.crt, path: tls.crt}
{{- end }}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
{{- end -}}
