{{/* Contradictions between a pool's weights, its pods and its ways in and out. All take a pool. */}}

{{/* Where the weights come from. */}}
{{- define "qwen3-vl.weightsContradictions" -}}
{{- $weights := .pool.weights -}}
{{- $values := .root.Values -}}
{{- $model := .pool.settings.engine.model -}}
{{- $tiny := has $model (list "tiny" "tiny-qwen3-vl") -}}
{{- if and (eq $weights.source "builtin") (not $tiny) }}
weights.source is builtin and settings.engine.model is {{ $model }}: the image brings the tiny model alone. Set the model to tiny, or weights.source to claim.
{{- end }}
{{- if and $tiny (ne $weights.source "builtin") }}
settings.engine.model is {{ $model }} and weights.source is {{ $weights.source }}: no registry has the tiny model. Set weights.source to builtin.
{{- end }}
{{- if eq $weights.source "image" }}
{{- if not $weights.image.repository }}
weights.source is image and weights.image.repository is empty. Name the image that holds the weights.
{{- else if not (or $weights.image.tag $weights.image.digest) }}
weights.source is image and weights.image has neither tag nor digest. Set one of them.
{{- end }}
{{- if eq $weights.image.tag "latest" }}
weights.image.tag is latest: a restart might change the weights. Write a version, or set weights.image.digest.
{{- end }}
{{- if semverCompare "<1.33.0-0" .root.Capabilities.KubeVersion.Version }}
weights.source is image and this cluster is Kubernetes {{ .root.Capabilities.KubeVersion.Version }}: image volumes need 1.35, or 1.33 with their feature gate. Set weights.source to claim.
{{- end }}
{{- end }}
{{- if and $values.offline (eq $weights.source "ephemeral") }}
offline is true and weights.source is ephemeral: each pod would download. Take claim with weights.claim.existing, or image.
{{- end }}
{{- if and $weights.downloadJob (ne $weights.source "claim") }}
weights.downloadJob is true and weights.source is {{ $weights.source }}: there is no claim to fill. Set weights.downloadJob to false, or weights.source to claim.
{{- end }}
{{- if and $weights.downloadJob $values.offline }}
offline is true and weights.downloadJob is true: nothing is downloaded. Set one of them to false.
{{- end }}
{{- if and $values.offline (eq $weights.source "claim") (not $weights.claim.existing) }}
offline is true and weights.claim.existing is empty: nothing would fill a new claim. Name a claim that holds the weights, or take weights.source image.
{{- end }}
{{- $downloads := and (not $values.offline) (has $weights.source (list "claim" "ephemeral")) -}}
{{- $policy := $values.networkPolicy -}}
{{- if and $downloads $policy.enabled (not $policy.internet) (not $policy.proxy) (not $policy.extraEgress) }}
weights.source is {{ $weights.source }} and is downloaded, and networkPolicy.internet is false with neither networkPolicy.proxy nor networkPolicy.extraEgress: no way leads to the weights. Open one, or set offline to true.
{{- end }}
{{- end -}}

{{/* How many pods there are, on which nodes, and which goes first. */}}
{{- define "qwen3-vl.replicaContradictions" -}}
{{- $scaling := .pool.scaling -}}
{{- $claim := .pool.weights.claim -}}
{{- $single := and (eq .pool.weights.source "claim") (ne $claim.accessMode "ReadWriteMany") -}}
{{- if and $single $scaling.enabled (gt (int64 $scaling.maxReplicas) 1) }}
scaling.maxReplicas is {{ int64 $scaling.maxReplicas }} and weights.claim.accessMode is {{ $claim.accessMode }}: pods on other nodes would wait for the volume for ever. Set it to ReadWriteMany, with a StorageClass that has it.
{{- end }}
{{- if and $single (not $scaling.enabled) (gt (int64 .pool.replicas) 1) }}
replicas is {{ int64 .pool.replicas }} and weights.claim.accessMode is {{ $claim.accessMode }}: pods on other nodes would wait for the volume for ever. Set it to ReadWriteMany, with a StorageClass that has it.
{{- end }}
{{- if and $single (eq .pool.rollout.mode "surge") }}
rollout.mode is surge and weights.claim.accessMode is {{ $claim.accessMode }}: the new pod may land on another node and wait for the volume for ever. Set rollout.mode to inPlace, or weights.claim.accessMode to ReadWriteMany.
{{- end }}
{{- if $scaling.enabled }}
{{- if gt (int64 $scaling.minReplicas) (int64 $scaling.maxReplicas) }}
scaling.minReplicas is {{ int64 $scaling.minReplicas }} and scaling.maxReplicas is {{ int64 $scaling.maxReplicas }}. Lower the first or raise the second.
{{- else if or (lt (int64 $scaling.fallbackReplicas) (int64 $scaling.minReplicas)) (gt (int64 $scaling.fallbackReplicas) (int64 $scaling.maxReplicas)) }}
scaling.fallbackReplicas is {{ int64 $scaling.fallbackReplicas }}, outside of scaling.minReplicas {{ int64 $scaling.minReplicas }} and scaling.maxReplicas {{ int64 $scaling.maxReplicas }}. Set it between them.
{{- end }}
{{- end }}
{{- end -}}

{{/* What leads requests to the pool. */}}
{{- define "qwen3-vl.trafficContradictions" -}}
{{- if .pool.route.enabled }}
{{- if not .pool.route.parentRefs }}
route.enabled is true and route.parentRefs names no Gateway: no request would arrive. Write [{name: GATEWAY, namespace: NAMESPACE}].
{{- end }}
{{- if not .pool.route.hostnames }}
route.enabled is true and route.hostnames is empty: the route would take every host of the Gateway. Write the pool's host names.
{{- end }}
{{- end }}
{{- if and .pool.ingress.enabled (not .pool.ingress.host) }}
ingress.enabled is true and ingress.host is empty: the Ingress would take every host. Write the pool's host name.
{{- end }}
{{- if and .root.Values.tls.existingSecret .pool.inferencePool.enabled }}
tls.existingSecret is set and inferencePool.enabled is true: the Gateway would speak plain HTTP to pods that speak TLS. Unset one of them.
{{- end }}
{{- if and .pool.ingress.enabled .pool.inferencePool.enabled }}
ingress.enabled and inferencePool.enabled are both true: an Ingress goes past the picker. Take route.enabled in place of ingress.enabled.
{{- end }}
{{- end -}}

{{/* What the pool's processes must reach and the network policy closes off. */}}
{{- define "qwen3-vl.reachContradictions" -}}
{{- $policy := .root.Values.networkPolicy -}}
{{- if and $policy.enabled (not $policy.telemetry) (not $policy.extraEgress) -}}
{{- range $group := list "gateway" "engine" -}}
{{- with (get $.pool.settings $group).otlp_traces_endpoint }}
settings.{{ $group }}.otlp_traces_endpoint is {{ . }} and networkPolicy.telemetry names no peer: the collector would be closed off. List its peers there, or in networkPolicy.extraEgress with another port.
{{- end }}
{{- end -}}
{{- end -}}
{{- end -}}
