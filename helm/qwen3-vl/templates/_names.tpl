{{/* Names, labels and images. A pool's context is (dict "root" $ "name" NAME "pool" VALUES). */}}

{{- define "qwen3-vl.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $chart := default .Chart.Name .Values.nameOverride -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name $chart) (contains $chart .Release.Name) -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The name of a pool's objects, at most 63 characters with what a kind adds. */}}
{{- define "qwen3-vl.poolname" -}}
{{- printf "%s-%s" (include "qwen3-vl.fullname" .root) .name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* What the pods' API port speaks; takes the root. */}}
{{- define "qwen3-vl.scheme" -}}
{{- ternary "https" "http" (ne .Values.tls.existingSecret "") -}}
{{- end -}}

{{/* What an object of the whole release is labelled by; takes the root. */}}
{{- define "qwen3-vl.labels" -}}
{{- with .Values.commonLabels }}{{ toYaml . }}
{{ end -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* What a pool's object is labelled by. */}}
{{- define "qwen3-vl.poolLabels" -}}
{{ include "qwen3-vl.labels" .root }}
app.kubernetes.io/component: {{ .name | quote }}
{{- end -}}

{{/* What a pool's pods are found by. Immutable in a Deployment: never anything a user may change. */}}
{{- define "qwen3-vl.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .name | quote }}
{{- end -}}

{{/* What a pool's pods are labelled by: nothing that changes with the chart's version, or every
     upgrade of the chart would start all engines anew. */}}
{{- define "qwen3-vl.podLabels" -}}
{{- with .root.Values.commonLabels }}{{ toYaml . }}
{{ end -}}
{{ include "qwen3-vl.selector" . }}
{{- end -}}

{{/* What the pods of a job are found by: (dict "root" $ "job" "weights" or "verify" or "loadtest"). */}}
{{- define "qwen3-vl.jobSelector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}-job
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .job }}
{{- end -}}

{{/* Labels of a job's objects and pods: (dict "root" $ "job" NAME). */}}
{{- define "qwen3-vl.jobLabels" -}}
{{- mergeOverwrite (include "qwen3-vl.labels" .root | fromYaml) (include "qwen3-vl.jobSelector" . | fromYaml) | toYaml -}}
{{- end -}}

{{/* Renders a template for every pool, each with the pool's own values over those of `pool`:
     (dict "root" $ "template" NAME), as documents of YAML unless "plain" is true. */}}
{{- define "qwen3-vl.each" -}}
{{- $root := .root -}}
{{- $template := .template -}}
{{- $separator := ternary "" "---" (default false .plain) -}}
{{- range $name, $own := $root.Values.pools }}
{{- $pool := mergeOverwrite (deepCopy $root.Values.pool) (deepCopy (default (dict) $own)) }}
{{- /* An option that is null is left to its default; Helm 3 and 4 hand on different nulls. */}}
{{- range $options := $pool.settings }}
{{- range $option, $value := $options }}
{{- if kindIs "invalid" $value }}{{ $_ := unset $options $option }}{{ end }}
{{- end }}
{{- end }}
{{- with include $template (dict "root" $root "name" $name "pool" $pool) | trim }}
{{ $separator }}
{{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* An image's full name, its digest before its tag: (dict "root" $ "image" VALUES "tag" DEFAULT
     "suffix" "-tiny"). */}}
{{- define "qwen3-vl.image" -}}
{{- $repository := .image.repository -}}
{{- with .root.Values.imageRegistry -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) $repository -}}
{{- end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s%s" $repository (default .tag .image.tag) (default "" .suffix) -}}
{{- end -}}
{{- end -}}

{{/* The gateway's image, or a variant of it: (dict "root" $) and "variant" "tiny" or "loadtest". A
     variant has a digest of its own, or the tag with its name. */}}
{{- define "qwen3-vl.gatewayImage" -}}
{{- $image := .root.Values.image -}}
{{- $suffix := "" -}}
{{- with .variant -}}
{{- $suffix = printf "-%s" . -}}
{{- $image = set (deepCopy $image) "digest" (get $image (printf "%sDigest" .)) -}}
{{- end -}}
{{- include "qwen3-vl.image" (dict "root" .root "image" $image "tag" .root.Chart.AppVersion "suffix" $suffix) -}}
{{- end -}}

{{/* Secrets that images are pulled with, as part of a PodSpec; takes the root. */}}
{{- define "qwen3-vl.pullSecrets" -}}
{{- with .Values.imagePullSecrets -}}
imagePullSecrets:
{{ toYaml . }}
{{- end -}}
{{- end -}}
