{{/* Times and sizes that follow from the settings, each derived once. All take a pool's context;
     sizes are whole MiB. */}}

{{/* Seconds between a pod's deletion and its end: leaving the Service, the drain, the engine's own
     end, and 15 in reserve. */}}
{{- define "qwen3-vl.terminationGraceSeconds" -}}
{{- $gateway := .pool.settings.gateway -}}
{{- add (ceil $gateway.drain_grace_seconds) (ceil $gateway.drain_seconds) (ceil .pool.settings.engine.shutdown_timeout) 15 -}}
{{- end -}}

{{/* Failed start-up probes, 10 s apart, that make the budget of a start. */}}
{{- define "qwen3-vl.startupFailures" -}}
{{- divf .pool.startupBudgetSeconds 10 | ceil | int64 -}}
{{- end -}}

{{/* Seconds without a new ready pod after which a rollout has failed: replaced in place, an old pod
     drains first; then weights are fetched where none are, and the engine starts. */}}
{{- define "qwen3-vl.progressDeadlineSeconds" -}}
{{- $seconds := add (int64 .pool.startupBudgetSeconds) 60 -}}
{{- if eq .pool.rollout.mode "inPlace" -}}
{{- $seconds = add $seconds (include "qwen3-vl.terminationGraceSeconds" .) -}}
{{- end -}}
{{- if has .pool.weights.source (list "claim" "ephemeral") -}}
{{- $seconds = add $seconds (int64 .pool.weights.downloadBudgetSeconds) -}}
{{- end -}}
{{- $seconds -}}
{{- end -}}

{{/* /dev/shm: 1 GiB a GPU for NCCL and vLLM's queues (160 MiB a worker), blocks of the KV cache that
     were moved to main memory, and processed pictures where they are shared. */}}
{{- define "qwen3-vl.shmMiB" -}}
{{- $engine := (include "qwen3-vl.settingsWithDefaults" . | fromJson).engine -}}
{{- $GiB := $engine.tensor_parallel_size -}}
{{- if eq $engine.kv_offloading_backend "native" -}}
{{- $GiB = addf $GiB (default 0 $engine.kv_offloading_size) -}}
{{- end -}}
{{- if eq $engine.mm_processor_cache_type "shm" -}}
{{- $GiB = addf $GiB $engine.mm_processor_cache_gb -}}
{{- end -}}
{{- mulf $GiB 1024 | ceil | int64 -}}
{{- end -}}

{{/* The engine's memory besides /dev/shm, which counts as well: the API process and the scheduler,
     a worker for each GPU (libraries, pinned buffers; on a CPU the KV cache instead), what
     the gateway lets in at once in three forms (text, file, pixels), the frames of one video,
     and caches in main memory. */}}
{{- define "qwen3-vl.engineMemoryMiB" -}}
{{- $settings := include "qwen3-vl.settingsWithDefaults" . | fromJson -}}
{{- $engine := $settings.engine -}}
{{- $GiB := addf 6 (mulf 8 $engine.tensor_parallel_size) -}}
{{- if eq $engine.profile "cpu" -}}
{{- $GiB = addf 3 (divf (default 1073741824 $engine.kv_cache_memory_bytes) 1073741824) -}}
{{- end -}}
{{- $GiB = addf $GiB (mulf 3 (divf $settings.gateway.max_inflight_bytes 1073741824)) -}}
{{- $GiB = addf $GiB (divf $settings.gateway.max_video_decoded_bytes 1073741824) -}}
{{- if eq $engine.mm_processor_cache_type "lru" -}}
{{- $GiB = addf $GiB (mulf 2 $engine.mm_processor_cache_gb) -}}
{{- end -}}
{{- if ne $engine.kv_offloading_backend "native" -}}
{{- $GiB = addf $GiB (default 0 $engine.kv_offloading_size) -}}
{{- end -}}
{{- mulf $GiB 1024 | ceil | add (include "qwen3-vl.shmMiB" .) -}}
{{- end -}}

{{/* The gateway's memory: itself, what it lets in at once, its picture processes, and the unread
     bytes of as many streams as the engine runs or queues. */}}
{{- define "qwen3-vl.gatewayMemoryMiB" -}}
{{- $settings := include "qwen3-vl.settingsWithDefaults" . | fromJson -}}
{{- $gateway := $settings.gateway -}}
{{- $MiB := divf $gateway.max_inflight_bytes 1048576 -}}
{{- $MiB = addf $MiB (mulf $gateway.media_workers (divf $gateway.media_worker_memory_bytes 1048576)) -}}
{{- $MiB = addf $MiB (mulf 2 $settings.engine.max_num_seqs (divf $gateway.stream_buffer_bytes 1048576)) -}}
{{- addf 512 $MiB | ceil | int64 -}}
{{- end -}}
