{{/* The main container: vLLM's official image with our launcher on its path. Its probes ask the
     gateway beside it, which knows whether the engine is ready and whether it still computes. */}}
{{- define "qwen3-vl.engineContainer" -}}
{{- $memory := default (printf "%sMi" (include "qwen3-vl.engineMemoryMiB" .)) .pool.engine.resources.memory -}}
{{- $resources := .pool.engine.resources -}}
{{- $disk := $resources.ephemeralStorage -}}
{{- if eq .pool.weights.source "ephemeral" -}}
{{- /* What an init container has reserved is not added to it, and the weights stay. */ -}}
{{- $disk = printf "%dMi" (add (include "qwen3-vl.sizeMiB" $disk) (include "qwen3-vl.sizeMiB" .pool.weights.ephemeralSize)) -}}
{{- end -}}
name: engine
image: {{ include "qwen3-vl.image" (dict "root" .root "image" .pool.engine.image) | quote }}
imagePullPolicy: {{ .pool.engine.image.pullPolicy }}
# -P keeps the image's working folder out of Python's path.
command: [python3, -P, -m, serving, engine, --config, /etc/qwen3-vl/settings.yaml]
env:
- {name: PYTHONPATH, value: /launcher}
- {name: PYTHONDONTWRITEBYTECODE, value: "1"}
{{- if .pool.engine.gpuResource }}
# The launcher asks nvidia-smi what there is.
- {name: NVIDIA_DRIVER_CAPABILITIES, value: "compute,utility"}
{{- end }}
{{- with include "qwen3-vl.engineWeightsEnv" . }}
{{ . }}
{{- end }}
{{- with .pool.engine.extraEnv }}
{{ toYaml . }}
{{- end }}
lifecycle:
  preStop:
    exec:
      # Returns when no answer is left, or at gateway.drain_seconds; only then SIGTERM comes.
      command: [python3, -P, -m, serving, drain, --config, /etc/qwen3-vl/settings.yaml]
startupProbe:
  httpGet: {path: /startupz, port: 9000}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: {{ include "qwen3-vl.startupFailures" . }}
  terminationGracePeriodSeconds: 10
livenessProbe:
  httpGet: {path: /livez, port: 9000}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
  terminationGracePeriodSeconds: 10
resources:
  {{- include "qwen3-vl.resources" (dict "cpu" $resources.cpu "memory" $memory "disk" $disk) | nindent 2 }}
    {{- with .pool.engine.gpuResource }}
    {{ . | quote }}: {{ int64 $.pool.settings.engine.tensor_parallel_size }}
    {{- end }}
securityContext:
  {{- include "qwen3-vl.containerSecurityContext" (dict "readOnly" .pool.engine.readOnlyRootFilesystem) | nindent 2 }}
volumeMounts:
- {name: launcher, mountPath: /launcher, readOnly: true}
- {name: settings, mountPath: /etc/qwen3-vl, readOnly: true}
- {name: run, mountPath: /run/qwen3-vl}
- {name: shm, mountPath: /dev/shm}
- {name: engine-tmp, mountPath: /tmp}
{{- with include "qwen3-vl.engineWeightsMounts" . }}
{{ . }}
{{- end }}
{{- end -}}
