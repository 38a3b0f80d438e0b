{{/* Where a pool's weights and compiled kernels are. All take a pool's context. */}}

{{/* What the engine is told to serve: the built-in model, the folder of an image volume, or the id.
     The catalogue knows a model by the last part of either. */}}
{{- define "qwen3-vl.servedModel" -}}
{{- if eq .pool.weights.source "builtin" -}}
tiny
{{- else if eq .pool.weights.source "image" -}}
/weights/{{ base .pool.settings.engine.model }}
{{- else -}}
{{ .pool.settings.engine.model }}
{{- end -}}
{{- end -}}

{{/* The claim with the weights, the user's own or the chart's. */}}
{{- define "qwen3-vl.weightsClaim" -}}
{{- default (printf "%s-weights" (include "qwen3-vl.poolname" .)) .pool.weights.claim.existing -}}
{{- end -}}

{{/* Not empty where compiled kernels outlive the pod. Several pods may write at once: vLLM and
     PyTorch replace whole files. */}}
{{- define "qwen3-vl.cacheIsKept" -}}
{{- if and .pool.cache.persistent (eq .pool.weights.source "claim") -}}
true
{{- end -}}
{{- end -}}

{{/* What compiled kernels depend on: another image, model, revision or flag begins a folder of its
     own, and a rollback finds its old one. */}}
{{- define "qwen3-vl.cacheKey" -}}
{{- $image := include "qwen3-vl.image" (dict "root" .root "image" .pool.engine.image) -}}
{{- $parts := list $image (include "qwen3-vl.servedModel" .) .pool.settings.engine -}}
{{- if eq .pool.weights.source "image" -}}
{{- $parts = append $parts (include "qwen3-vl.weightsImage" .) -}}
{{- end -}}
{{- $parts | toJson | sha256sum | trunc 12 -}}
{{- end -}}

{{/* The OCI image with the weights. */}}
{{- define "qwen3-vl.weightsImage" -}}
{{- include "qwen3-vl.image" (dict "root" .root "image" .pool.weights.image) -}}
{{- end -}}

{{/* The pod's volumes for both. */}}
{{- define "qwen3-vl.weightsVolumes" -}}
{{- $weights := .pool.weights -}}
{{- if eq $weights.source "claim" -}}
- name: weights
  persistentVolumeClaim: {claimName: {{ include "qwen3-vl.weightsClaim" . | quote }}}
{{ else if eq $weights.source "image" -}}
- name: weights
  image: {reference: {{ include "qwen3-vl.weightsImage" . | quote }}, pullPolicy: {{ $weights.image.pullPolicy }}}
{{ else if eq $weights.source "ephemeral" -}}
- name: weights
  emptyDir: {sizeLimit: {{ $weights.ephemeralSize }}}
{{ end -}}
{{- with include "qwen3-vl.weightsAuthority" . }}
{{- . }}
{{ end -}}
{{- if not (include "qwen3-vl.cacheIsKept" .) -}}
- name: cache
  emptyDir: {sizeLimit: {{ .pool.engine.resources.ephemeralStorage }}}
{{- end -}}
{{- end -}}

{{/* The engine's mounts of both. It writes compiled kernels alone: vLLM's locks are in /tmp. */}}
{{- define "qwen3-vl.engineWeightsMounts" -}}
{{- if eq .pool.weights.source "image" -}}
- {name: weights, mountPath: {{ include "qwen3-vl.servedModel" . }}, readOnly: true}
{{ else if ne .pool.weights.source "builtin" -}}
- {name: weights, mountPath: /weights, readOnly: true}
{{ end -}}
{{- if include "qwen3-vl.cacheIsKept" . -}}
- {name: weights, mountPath: /cache, subPath: cache}
{{- else -}}
- {name: cache, mountPath: /cache}
{{- end -}}
{{- end -}}

{{/* The engine's environment: it finds its weights offline, since a download would count against
     the budget of its start, and keeps what it compiles. The home folder is where everything goes
     that has no variable here, and USER stands for the passwd entry that PyTorch asks for. */}}
{{- define "qwen3-vl.engineWeightsEnv" -}}
{{- $cache := printf "/cache/%s" (include "qwen3-vl.cacheKey" .) -}}
- {name: HF_HUB_OFFLINE, value: "1"}
{{- if has .pool.weights.source (list "claim" "ephemeral") }}
- {name: HF_HOME, value: /weights/hub}
{{- end }}
- {name: HOME, value: {{ $cache }}}
- {name: USER, value: vllm}
- {name: VLLM_CACHE_ROOT, value: {{ $cache }}/vllm}
- {name: VLLM_CONFIG_ROOT, value: /tmp/vllm-config}
- {name: XDG_CACHE_HOME, value: {{ $cache }}/.cache}
- {name: XDG_CONFIG_HOME, value: /tmp/config}
- {name: TORCHINDUCTOR_CACHE_DIR, value: {{ $cache }}/inductor}
- {name: TRITON_CACHE_DIR, value: {{ $cache }}/triton}
- {name: FLASHINFER_WORKSPACE_BASE, value: {{ $cache }}}
- {name: NUMBA_CACHE_DIR, value: {{ $cache }}/numba}
{{- end -}}

{{/* An init container that makes the folder of kept kernels: one that the kubelet makes for a
     subPath is root's, and not every volume gives it to the pod's group. */}}
{{- define "qwen3-vl.cacheInit" -}}
{{- if include "qwen3-vl.cacheIsKept" . -}}
{{- $does := dict "name" "cache" "variant" "" "command" "mkdir, -p, /weights/cache" "volume" "weights" "at" "/weights" -}}
{{- include "qwen3-vl.smallInit" (dict "root" .root "does" $does) -}}
{{- end -}}
{{- end -}}

{{/* An init container that brings weights in place, or waits while the Job does. A volume for one
     node is held by one of them, and whoever holds it downloads: neither waits for ever. */}}
{{- define "qwen3-vl.weightsInit" -}}
{{- if has .pool.weights.source (list "claim" "ephemeral") -}}
{{- $words := ternary (list "check") (list "fetch") .root.Values.offline -}}
{{- include "qwen3-vl.weightsContainer" (merge (dict "words" $words) .) -}}
{{- end -}}
{{- end -}}

{{/* A container that runs `serving weights`: a pool's context and its words. */}}
{{- define "qwen3-vl.weightsContainer" -}}
{{- $disk := ternary .pool.weights.ephemeralSize "64Mi" (eq .pool.weights.source "ephemeral") -}}
name: weights
image: {{ include "qwen3-vl.gatewayImage" (dict "root" .root) | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
command: [python, -m, serving, weights, {{ join ", " .words }}]
env:
{{ include "qwen3-vl.weightsEnv" . }}
resources:
  # Files in flight are counted as memory until they are written; the system gives that back.
  {{- include "qwen3-vl.resources" (dict "cpu" "500m" "memory" "512Mi" "disk" $disk) | nindent 2 }}
securityContext:
  {{- include "qwen3-vl.containerSecurityContext" (dict "readOnly" true) | nindent 2 }}
volumeMounts:
- {name: weights, mountPath: /weights{{ if has "check" .words }}, readOnly: true{{ end }}}
- {name: gateway-tmp, mountPath: /tmp}
{{- if include "qwen3-vl.weightsAuthority" . }}
- {name: authority, mountPath: /etc/qwen3-vl-authority, readOnly: true}
{{- end }}
{{- end -}}

{{/* The volume with the certificates that a download trusts; nothing where public ones do. */}}
{{- define "qwen3-vl.weightsAuthority" -}}
{{- $fetches := and (has .pool.weights.source (list "claim" "ephemeral")) (not .root.Values.offline) -}}
{{- if and $fetches .root.Values.huggingFace.caSecret -}}
- name: authority
  secret:
    secretName: {{ .root.Values.huggingFace.caSecret | quote }}
    items:
    - {key: ca.crt, path: ca.crt}
{{- end -}}
{{- end -}}

{{/* The environment of a download. Python's clients read a proxy's variables in capitals. */}}
{{- define "qwen3-vl.weightsEnv" -}}
{{- $values := .root.Values -}}
- {name: HOME, value: /tmp}
- {name: HF_HOME, value: /weights/hub}
- {name: SERVING_ENGINE__MODEL, value: {{ include "qwen3-vl.servedModel" . | quote }}}
{{- with .pool.settings.engine.revision }}
- {name: SERVING_ENGINE__REVISION, value: {{ . | quote }}}
{{- end }}
{{- if $values.offline }}
- {name: HF_HUB_OFFLINE, value: "1"}
{{- else }}
{{- with $values.huggingFace.endpoint }}
- {name: HF_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- if $values.huggingFace.caSecret }}
- {name: SSL_CERT_FILE, value: /etc/qwen3-vl-authority/ca.crt}
{{- end }}
{{- with $values.huggingFace.tokenSecret }}
- name: HF_TOKEN
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: {{ $values.huggingFace.tokenKey | quote }}}
{{- end }}
{{- with $values.proxy.url }}
- {name: HTTPS_PROXY, value: {{ . | quote }}}
- {name: HTTP_PROXY, value: {{ . | quote }}}
- {name: NO_PROXY, value: {{ $values.proxy.noProxy | quote }}}
{{- end }}
{{- end }}
{{- end -}}
