{{/* The parts of a pool's pod around its two containers. */}}

{{/* An init container that runs one small program of the gateway's image over a volume: (dict "root" $
     "does" (dict "name" NAME "variant" VARIANT "command" WORDS "volume" NAME "at" PATH)). */}}
{{- define "qwen3-vl.smallInit" -}}
name: {{ .does.name }}
image: {{ include "qwen3-vl.gatewayImage" (dict "root" .root "variant" .does.variant) | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
command: [{{ .does.command }}]
resources:
  {{- include "qwen3-vl.resources" (dict "cpu" "100m" "memory" "64Mi" "disk" "64Mi") | nindent 2 }}
securityContext:
  {{- include "qwen3-vl.containerSecurityContext" (dict "readOnly" true) | nindent 2 }}
volumeMounts:
- {name: {{ .does.volume }}, mountPath: {{ .does.at }}}
{{- end -}}

{{/* Copies the launcher out of the gateway's image, so that the engine's image stays the official
     one and an upgrade of it is one tag. */}}
{{- define "qwen3-vl.launcherInit" -}}
{{- $variant := ternary "tiny" "" (eq .pool.weights.source "builtin") -}}
{{- $does := dict "name" "launcher" "variant" $variant "command" "cp, -r, /app/serving, /launcher/" "volume" "launcher" "at" "/launcher" -}}
{{- include "qwen3-vl.smallInit" (dict "root" .root "does" $does) -}}
{{- end -}}

{{/* The taints that a pool's pods and its jobs bear: a cluster may have tainted nodes alone. */}}
{{- define "qwen3-vl.tolerations" -}}
{{- with .pool.scheduling.tolerations -}}
tolerations:
{{ toYaml . }}
{{- end -}}
{{- end -}}

{{/* Where a pool's pods may run, and how they spread. */}}
{{- define "qwen3-vl.scheduling" -}}
{{- with .pool.scheduling -}}
{{- with .runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "qwen3-vl.tolerations" $ }}
{{ . }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .spreadOver }}
topologySpreadConstraints:
- maxSkew: 1
  topologyKey: {{ . | quote }}
  whenUnsatisfiable: {{ $.pool.scheduling.whenUnspreadable }}
  # Pods of the version before do not count, or a rollout would pile up.
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels:
      {{- include "qwen3-vl.selector" $ | nindent 6 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The pod's volumes. The socket's folder is made within `run` by whichever process comes first: a
     volume's own root belongs to root. */}}
{{- define "qwen3-vl.volumes" -}}
- name: launcher
  emptyDir: {sizeLimit: 64Mi}
- name: run
  emptyDir: {medium: Memory, sizeLimit: 16Mi}
- name: engine-tmp
  emptyDir: {sizeLimit: {{ .pool.engine.resources.ephemeralStorage }}}
- name: gateway-tmp
  emptyDir: {sizeLimit: {{ .pool.gateway.resources.ephemeralStorage }}}
- name: shm
  emptyDir:
    medium: Memory
    sizeLimit: {{ default (printf "%sMi" (include "qwen3-vl.shmMiB" .)) .pool.engine.shmSize }}
- name: settings
  configMap: {name: {{ include "qwen3-vl.poolname" . }}-settings}
{{- with include "qwen3-vl.keysSecret" .root }}
- name: keys
  secret:
    secretName: {{ . | quote }}
    defaultMode: 0440
    items:
    - {key: {{ $.root.Values.keys.file | quote }}, path: keys.yaml}
{{- end }}
{{- with .root.Values.tls.existingSecret }}
- name: tls
  secret: {secretName: {{ . | quote }}, defaultMode: 0440}
{{- end }}
{{- with include "qwen3-vl.weightsVolumes" . }}
{{ . }}
{{- end }}
{{- end -}}
