{{/* Contradictions in what a pool is and how its two containers are set up. All take a pool. */}}

{{/* Names and times of the whole pod. */}}
{{- define "qwen3-vl.poolContradictions" -}}
{{- $name := printf "%s-%s" (include "qwen3-vl.fullname" .root) .name -}}
{{- if gt (len $name) 52 }}
its objects would be named {{ $name }}, and with what a kind adds a name may have 63 characters, so this one 52. Shorten it, or set fullnameOverride.
{{- end }}
{{- $grace := include "qwen3-vl.terminationGraceSeconds" . | int64 -}}
{{- if gt $grace 86400 }}
settings.gateway.drain_grace_seconds, settings.gateway.drain_seconds, settings.engine.shutdown_timeout and 15 add up to {{ $grace }} s, and a pod that ends for more than a day blocks its node. Lower settings.gateway.drain_seconds.
{{- end }}
{{- $store := .pool.settings.store -}}
{{- if and $store.usage (not .root.Values.store.existingSecret) }}
settings.store.usage is true and store.existingSecret is empty: a pod has no database of its own. Set store.existingSecret, or leave usage out.
{{- end }}
{{- with .pool.settings.gateway.host }}
{{- if regexMatch "^(127\\.|localhost$|::1$)" . }}
settings.gateway.host is {{ . }}, which only the pod itself reaches: it would never be ready. Leave it out, or set it to "::" for IPv6.
{{- end }}
{{- end }}
{{- $reserved := "^(SERVING_.*|HOST|PORT|ADMIN_PORT|PROFILE|MODEL|PYTHONPATH|PYTHONDONTWRITEBYTECODE|HOME|USER|HF_.*|TRANSFORMERS_OFFLINE|VLLM_CACHE_ROOT|VLLM_CONFIG_ROOT|TRITON_CACHE_DIR|TORCHINDUCTOR_CACHE_DIR|NUMBA_CACHE_DIR|FLASHINFER_WORKSPACE_BASE|XDG_.*|NVIDIA_DRIVER_CAPABILITIES|(?i:(https?|no|all)_proxy))$" -}}
{{- range $container := list "engine" "gateway" -}}
{{- $names := list -}}
{{- range (get $.pool $container).extraEnv -}}
{{- if regexMatch $reserved .name }}
{{ $container }}.extraEnv has {{ .name }}, which the chart decides. Use the value that stands for it, such as an option of settings, huggingFace or proxy.
{{- end }}
{{- if has .name $names }}
{{ $container }}.extraEnv has {{ .name }} twice. Keep one of them.
{{- end }}
{{- $names = append $names .name -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Model, hardware and options of the engine. */}}
{{- define "qwen3-vl.engineContradictions" -}}
{{- $engine := .pool.settings.engine -}}
{{- $all := include "qwen3-vl.settingsWithDefaults" . | fromJson -}}
{{- $gpu := .pool.engine.gpuResource -}}
{{- if eq $engine.model "auto" }}
settings.engine.model is auto: weights are in place before a GPU is looked at. Name the model, such as Qwen/Qwen3-VL-8B-Thinking.
{{- end }}
{{- if eq .pool.engine.image.tag "latest" }}
engine.image.tag is latest: a restart might change the version. Write a version, or set engine.image.digest.
{{- end }}
{{- if not (or .pool.engine.image.tag .pool.engine.image.digest) }}
engine.image has neither tag nor digest. Write the version of vLLM, as values.yaml does.
{{- end }}
{{- if eq $engine.profile "cpu" }}
{{- with $gpu }}
settings.engine.profile is cpu and engine.gpuResource is {{ . }}: the GPU would lie idle. Empty engine.gpuResource, or name the GPU's profile.
{{- end }}
{{- if gt (int64 $engine.tensor_parallel_size) 1 }}
settings.engine.profile is cpu and settings.engine.tensor_parallel_size is {{ int64 $engine.tensor_parallel_size }}: there is no GPU to share. Set it to 1.
{{- end }}
{{- else if not $gpu }}
settings.engine.profile is {{ $engine.profile }} and engine.gpuResource is empty: the pod would get no GPU. Set it to nvidia.com/gpu, or the profile to cpu.
{{- end }}
{{- if and (contains "Qwen3-VL-8B" $engine.model) (not (has (int64 $engine.tensor_parallel_size | toString) (list "1" "2" "4" "8"))) }}
settings.engine.tensor_parallel_size is {{ int64 $engine.tensor_parallel_size }} and does not divide the 8 KV heads of {{ $engine.model }}. Set it to 1, 2, 4 or 8.
{{- end }}
{{- if gt (int64 $all.gateway.max_images) (int64 $all.engine.limit_images) }}
settings.gateway.max_images is {{ int64 $all.gateway.max_images }} and settings.engine.limit_images is {{ int64 $all.engine.limit_images }}: the engine would refuse what the gateway lets in. Set both to the same number.
{{- end }}
{{- if and (eq $all.engine.mm_processor_cache_type "shm") (eq (float64 $all.engine.mm_processor_cache_gb) 0.0) }}
settings.engine.mm_processor_cache_type is shm and settings.engine.mm_processor_cache_gb is 0: there is no cache to share. Set its size, or leave the type out.
{{- end }}
{{- if and $engine.max_num_queued_reqs $engine.max_num_seqs }}
{{- if lt (int64 $engine.max_num_queued_reqs) (int64 $engine.max_num_seqs) }}
settings.engine.max_num_queued_reqs is {{ int64 $engine.max_num_queued_reqs }} and counts running requests too, of which settings.engine.max_num_seqs allows {{ int64 $engine.max_num_seqs }}. Raise the first or lower the second.
{{- end }}
{{- end }}
{{- if and $engine.reasoning_end_text (not (hasSuffix "</think>" $engine.reasoning_end_text)) }}
settings.engine.reasoning_end_text does not end with </think>: the thought would go on. Write </think> at its end.
{{- end }}
{{- range $engine.extra_args }}
{{- if regexMatch "^--(api[-_]key|hf[-_]token)" . }}
settings.engine.extra_args has {{ regexFind "^[^=]+" . }}: a ConfigMap and the list of processes would show the secret. Take keys or huggingFace.tokenSecret.
{{- end }}
{{- end }}
{{- include "qwen3-vl.sizeContradictions" . }}
{{- end -}}

{{/* Sizes that were written down and cannot hold. Less memory than the sum is the user's own measure,
     and NOTES says so; vLLM does not start with less /dev/shm. */}}
{{- define "qwen3-vl.sizeContradictions" -}}
{{- $shm := include "qwen3-vl.shmMiB" . -}}
{{- with .pool.engine.shmSize -}}
{{- if lt (include "qwen3-vl.sizeMiB" . | int64) (int64 $shm) }}
engine.shmSize is {{ . }} and the settings need {{ $shm }}Mi. Raise it, empty it, or lower settings.engine.kv_offloading_size or mm_processor_cache_gb.
{{- end }}
{{- end -}}
{{- if and .pool.engine.shmSize .pool.engine.resources.memory -}}
{{- if gt (include "qwen3-vl.sizeMiB" .pool.engine.shmSize | int64) (include "qwen3-vl.sizeMiB" .pool.engine.resources.memory | int64) }}
engine.shmSize is {{ .pool.engine.shmSize }} and engine.resources.memory is {{ .pool.engine.resources.memory }}, which counts it as well. Raise the memory, or empty it.
{{- end }}
{{- end -}}
{{- end -}}
