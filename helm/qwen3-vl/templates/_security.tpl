{{/* What every pod and container is held to: the restricted Pod Security level. */}}

{{/* A pod's securityContext; takes the root. */}}
{{- define "qwen3-vl.podSecurityContext" -}}
runAsNonRoot: true
{{- with .Values.security.runAsUser }}
runAsUser: {{ int64 . }}
runAsGroup: {{ int64 . }}
{{- end }}
{{- with .Values.security.fsGroup }}
fsGroup: {{ int64 . }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* A container's securityContext: (dict "readOnly" BOOL). */}}
{{- define "qwen3-vl.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: {{ .readOnly }}
capabilities:
  drop: [ALL]
{{- end -}}

{{/* What a container reserves; memory and disk are its limits too. Of CPU there is none: an event loop
     that is throttled holds every stream up: (dict "cpu" CORES "memory" SIZE "disk" SIZE). */}}
{{- define "qwen3-vl.resources" -}}
requests:
  cpu: {{ .cpu | quote }}
  memory: {{ .memory }}
  ephemeral-storage: {{ .disk }}
limits:
  memory: {{ .memory }}
  ephemeral-storage: {{ .disk }}
{{- end -}}

{{/* What every pod of the chart says, as part of a PodSpec; takes the root. */}}
{{- define "qwen3-vl.podBasics" -}}
serviceAccountName: {{ include "qwen3-vl.fullname" . | quote }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "qwen3-vl.podSecurityContext" . | nindent 2 }}
{{- with include "qwen3-vl.pullSecrets" . }}
{{ . }}
{{- end }}
{{- end -}}
