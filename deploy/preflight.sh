#!/usr/bin/env bash
# Says what a cluster has and what the chart is to be told about it. It only reads: every request
# is a GET. Secrets are asked for as a table, so that their content never leaves the cluster.
set -uo pipefail
CHART="$(cd "$(dirname "${BASH_SOURCE[0]}")/../helm/qwen3-vl" && pwd)"
NAMESPACE=default RELEASE=qwen3-vl CPU='' EXIT=0 VERB=install
VALUES=() TOLERATIONS=() ANSWER='' KINDS='' SERVED=''
GPU_TOLERATION='{"key":"nvidia.com/gpu","operator":"Exists","effect":"NoSchedule"}'

usage() {
  cat <<'END'
Usage: deploy/preflight.sh [-n NAMESPACE] [--release NAME] [--cpu]

Asks the cluster that kubectl names what the chart needs to know, one line each:
  ok    fits as it is              set   a value is to be set, and which
  note  good to know               ?     could not be asked, and why
  stop  an install would not come up
and ends with the `helm install` command that holds the values.

  -n, --namespace NAMESPACE  where the release goes; default
      --release NAME         its name; qwen3-vl
      --cpu                  no pool has a GPU: they are not asked for

Exit code: 0 fit, 1 something stops an install, 2 the cluster cannot be asked.
END
}

say() { # STATE QUESTION FINDING [VALUE KEY=VALUE]…: print a line and keep what is to be set.
  local state=$1 question=$2 finding=$3 shown='' words
  shift 3
  [ "$state" != stop ] || EXIT=1
  [ $# = 0 ] || VALUES+=("$@")
  while [ $# -ge 2 ]; do
    printf -v words ' %s %s' "$1" "$(quoted "$2")"
    shown+=$words
    shift 2
  done
  printf '%-5s %-16s %s\n' "$state" "$question" "$finding${shown:+ →$shown}"
}

quoted() { # WORD: print it so that it can be pasted.
  case $1 in *[!A-Za-z0-9_./:=,@%+-]*) printf "'%s'" "$1" ;; *) printf '%s' "$1" ;; esac
}

ask() { # QUESTION KUBECTL-WORDS…: fill ANSWER; where the cluster does not answer, say why.
  local question=$1 words errors
  shift
  errors=$(mktemp)
  ANSWER=$(kubectl --request-timeout=20s "$@" 2>"$errors")
  local code=$?
  words=$(tail -n 1 "$errors")
  rm -f "$errors"
  [ $code != 0 ] || return 0
  case $words in
    *Forbidden* | *forbidden*) say '?' "$question" "not allowed to read (403): kubectl $1 $2" ;;
    *NotFound*) return 4 ;;
    *) say '?' "$question" "kubectl $1 $2: ${words:-exit code $code}" ;;
  esac
  return 1
}

lines() { [ -z "$ANSWER" ] || printf '%s\n' "$ANSWER"; }

listed() { # OTHERWISE: print the lines of ANSWER in one, or these words where there are none.
  if [ -n "$ANSWER" ]; then lines | tr '\n' ' ' | sed 's/ $//; s/ /, /g'; else printf '%s' "$1"; fi
}

check_version() {
  local errors least minor
  if ! errors=$(kubectl --request-timeout=20s get --raw /version 2>&1); then
    echo "The cluster cannot be asked: $(printf '%s' "$errors" | tail -n 1)" \
      "Set KUBECONFIG, or choose a context by kubectl config use-context." >&2
    exit 2
  fi
  minor=$(printf '%s' "$errors" | sed -n 's/.*"minor": *"\([0-9]*\).*/\1/p')
  SERVED=$(printf '%s' "$errors" | sed -n 's/.*"gitVersion": *"v\([^"]*\)".*/\1/p')
  least=$(sed -n 's/^kubeVersion: *">=1\.\([0-9]*\).*/\1/p' "$CHART/Chart.yaml")
  if [ "${minor:-0}" -lt "$least" ]; then
    say stop Kubernetes "$SERVED; the chart needs 1.$least: upgrade the cluster"
    return
  fi
  say ok Kubernetes "$SERVED; the chart needs 1.$least; native sidecars are there since 1.29"
  if [ "$minor" -ge 35 ]; then
    say note 'image volumes' 'there: weights may come as an OCI image, pool.weights.source=image'
  elif [ "$minor" -ge 33 ]; then
    say note 'image volumes' 'only with the feature gate ImageVolume, which cannot be asked'
  else
    say note 'image volumes' 'need 1.33: take pool.weights.source=claim'
  fi
}

profile_of() { # RESOURCE-AND-PRODUCT: print the profile that is tuned for it, if one is.
  case $(printf '%s' "$1" | tr '[:upper:]' '[:lower:]') in
    *mig* | *shared* | *gh200* | *gb[23]00*) ;;
    *b200*) echo b200 ;;
    *h200*) echo h200 ;;
    *h100*) echo h100 ;;
    *a100*80gb*) echo a100-80g ;;
    *l40s*) echo l40s ;;
  esac
}

# shellcheck disable=SC2016 # the dollars are the template's
# One line a fact: `node NAME PRODUCT`, `has NAME RESOURCE COUNT`, `taint NAME KEY=VALUE:EFFECT`.
NODES='{{range .items}}{{$name := .metadata.name}}{{if not .spec.unschedulable -}}
node {{$name}} {{with index .metadata.labels "nvidia.com/gpu.product"}}nvidia.com/gpu.product={{.}}{{
  else}}{{with index .metadata.labels "cloud.google.com/gke-accelerator"}}cloud.google.com/gke-accelerator={{.}}{{
  else}}{{with index .metadata.labels "karpenter.k8s.aws/instance-gpu-name"}}karpenter.k8s.aws/instance-gpu-name={{.}}{{
  else}}{{with index .metadata.labels "eks.amazonaws.com/instance-gpu-name"}}eks.amazonaws.com/instance-gpu-name={{.}}{{
  end}}{{end}}{{end}}{{end}}
{{range $resource, $count := .status.allocatable}}has {{$name}} {{$resource}} {{$count}}
{{end}}{{range .spec.taints}}taint {{$name}} {{.key}}={{with .value}}{{.}}{{end}}:{{.effect}}
{{end}}{{end}}{{end}}'
# shellcheck disable=SC2016
PODS='{{range .items}}{{$node := .spec.nodeName}}{{if $node}}{{range .spec.containers -}}
{{range $resource, $count := .resources.requests}}used {{$node}} {{$resource}} {{$count}}
{{end}}{{end}}{{end}}{{end}}'

check_gpus() {
  local nodes groups used=true
  ask GPUs get nodes -o "go-template=$NODES" || return
  nodes=$ANSWER
  ask 'GPUs in use' get pods --all-namespaces \
    --field-selector=status.phase!=Succeeded,status.phase!=Failed -o "go-template=$PODS" || used=
  # FREE ALL RESOURCE LABEL of each kind of GPU, the most free ones first.
  groups=$(printf '%s\n%s\n' "$nodes" "$ANSWER" | awk '
    $1 == "node" { label[$2] = $3 == "" ? "-" : $3 }
    $1 == "has" && $3 ~ /^(nvidia|amd)\.com\/(gpu|mig-)/ && $4 > 0 { all[$2 " " $3] += $4 }
    $1 == "used" { used[$2 " " $3] += $4 }
    # Kubernetes itself keeps pods off: the node is not ready, cannot be reached or is too full.
    $1 == "taint" && $3 ~ /^node\.(cloudprovider\.)?kubernetes\.io\/.*:No/ { away[$2] = 1 }
    END {
      for (pair in all) {
        split(pair, part, " ")
        if (part[1] in away) continue
        kind = part[2] " " label[part[1]]
        total[kind] += all[pair]
        free[kind] += all[pair] - used[pair]
      }
      for (kind in total) print free[kind], total[kind], kind
    }' | sort -k1,1nr -k2,2nr -k3)
  if [ -z "$groups" ]; then
    say stop GPUs "no node has one: add GPU nodes and their device plugin, or try the chart without"
    say note GPUs "without GPUs: -f helm/qwen3-vl/ci/tiny-on-cpu.yaml, and --cpu here"
    return
  fi
  choose_gpu "$groups" "$used"
  check_taints "$nodes"
}

choose_gpu() { # GROUPS USED: say every kind of GPU, and set the values for the first that fits.
  local free total resource label product profile chosen='' several=''
  [ "$(printf '%s\n' "$1" | wc -l)" -lt 2 ] || several=true
  while read -r free total resource label; do
    product=${label#*=} profile=$(profile_of "$resource $label")
    [ "$label" != - ] || product='product unknown, no label names it'
    local finding="$free of $total $resource free: $product"
    [ -n "$2" ] || finding="$total $resource, in use unknown: $product"
    if [ -z "$profile" ]; then
      say note GPUs "$finding; no profile is tuned for it, see serving/engine/profiles"
    elif [ "$free" -lt 1 ]; then
      say note GPUs "$finding; pods would wait for one"
    elif [ -n "$chosen" ]; then
      say note GPUs "$finding; its profile is $profile"
    else
      chosen=$label
      local set=(--set "pool.settings.engine.profile=$profile")
      [ "$resource" = nvidia.com/gpu ] || set+=(--set "pool.engine.gpuResource=$resource")
      [ -z "$several" ] || set+=(--set-json
        "pool.scheduling.nodeSelector={\"${label%%=*}\":\"$product\"}")
      say set GPUs "$finding" "${set[@]}"
    fi
  done <<<"$1"
  [ -n "$chosen" ] || say stop GPUs 'none is free that a profile is tuned for: free one or add nodes'
}

check_taints() { # NODES: set tolerations for what GPU nodes bear besides the usual taint.
  local taint key value effect
  while read -r taint; do
    [ -n "$taint" ] || continue
    key=${taint%%=*} value=${taint#*=} effect=${taint##*:}
    value=${value%:*}
    case $key in nvidia.com/gpu | node.kubernetes.io/* | node.cloudprovider.kubernetes.io/*) continue ;; esac
    TOLERATIONS+=("{\"key\":\"$key\",\"operator\":\"Equal\",\"value\":\"$value\",\"effect\":\"$effect\"}")
  done <<<"$(printf '%s\n' "$1" | awk '
    $1 == "has" && $3 ~ /^(nvidia|amd)\.com\/(gpu|mig-)/ && $4 > 0 { gpu[$2] = 1 }
    $1 == "taint" && $3 !~ /PreferNoSchedule$/ { taint[++n] = $3; node[n] = $2 }
    END { for (i = 1; i <= n; i++) if (gpu[node[i]]) print taint[i] }' | sort -u)"
  if [ ${#TOLERATIONS[@]} = 0 ]; then
    say ok 'GPU taints' 'none besides nvidia.com/gpu, which is borne by default'
    return
  fi
  local list
  list=$(IFS=, && printf '%s' "$GPU_TOLERATION,${TOLERATIONS[*]}")
  say set 'GPU taints' "${#TOLERATIONS[@]} more than nvidia.com/gpu" \
    --set-json "pool.scheduling.tolerations=[$list]"
}

check_runtime_class() {
  ask RuntimeClass get runtimeclasses -o name || return
  if lines | grep -qx 'runtimeclass.node.k8s.io/nvidia'; then
    say set RuntimeClass 'nvidia is there' --set pool.scheduling.runtimeClassName=nvidia
  else
    say ok RuntimeClass 'no nvidia; the nodes give GPUs to every container that asks'
  fi
}

modes_of() { # PROVISIONER: print the access modes as far as they are known.
  case $1 in
    efs.csi.aws.com | fsx.csi.aws.com | file.csi.azure.com | filestore.csi.storage.gke.io | \
      lustre.csi.storage.gke.io | nfs.csi.k8s.io | *cephfs.csi.ceph.com | driver.longhorn.io | \
      csi.juicefs.com | csi.weka.io | spectrumscale.csi.ibm.com | beegfs.csi.netapp.com) echo ReadWriteMany ;;
    ebs.csi.aws.com | ebs.csi.eks.amazonaws.com | disk.csi.azure.com | pd.csi.storage.gke.io | \
      rancher.io/local-path | *rbd.csi.ceph.com | kubernetes.io/aws-ebs | kubernetes.io/gce-pd | \
      topolvm.io | dobs.csi.digitalocean.com | csi.hetzner.cloud | cinder.csi.openstack.org | \
      linodebs.csi.linode.com | disk.csi.alibabacloud.com) echo ReadWriteOnce ;;
    *) echo unknown ;;
  esac
}

CLASSES='{{range .items}}{{.metadata.name}} {{.provisioner}} {{with .metadata.annotations}}{{
  with index . "storageclass.kubernetes.io/is-default-class"}}{{.}}{{end}}{{end}}
{{end}}'
check_storage() {
  local name provisioner default modes found='' usual='' many=''
  ask StorageClasses get storageclasses -o "go-template=$CLASSES" || return
  if [ -z "$ANSWER" ]; then
    say set StorageClasses 'none: each pod downloads for itself' --set pool.weights.source=ephemeral
    return
  fi
  while read -r name provisioner default; do
    modes=$(modes_of "$provisioner")
    found+="${found:+, }$name ($provisioner, $modes${default:+, default})"
    [ "$default" != true ] || usual=$name
    [ "$modes" = ReadWriteMany ] && { [ -z "$many" ] || [ "$default" = true ]; } && many=$name
  done <<<"$(lines | sed 's/ false$/ /')"
  if [ -n "$many" ]; then
    say set StorageClasses "$found; one volume for several pods" \
      --set "pool.weights.claim.storageClass=$many" --set pool.weights.claim.accessMode=ReadWriteMany
  elif [ -n "$usual" ]; then
    say ok StorageClasses "$found; a volume for one pod"
  else
    say set StorageClasses "$found; no default" \
      --set "pool.weights.claim.storageClass=$(lines | sed -n '1s/ .*//p')"
  fi
}

check_kinds() {
  local group kind key
  # What a broken aggregated API leaves out is no reason to forget the rest.
  KINDS=$(kubectl --request-timeout=20s api-resources --no-headers 2>/dev/null |
    awk '{ print $(NF - 2) "/" $NF }')
  if [ -z "$KINDS" ]; then
    say '?' 'optional kinds' 'kubectl api-resources answers nothing'
    return
  fi
  while read -r group kind key; do
    if printf '%s\n' "$KINDS" | grep -qx "$group/$kind"; then
      say ok "$kind" "there: $key may be true"
    else
      say note "$kind" "not there ($group): leave $key false"
    fi
  done <<'END'
keda.sh/v1alpha1 ScaledObject pool.scaling.enabled
monitoring.coreos.com/v1 PodMonitor monitoring.podMonitor.enabled
monitoring.coreos.com/v1 PrometheusRule monitoring.rules.enabled
gateway.networking.k8s.io/v1 HTTPRoute pool.route.enabled
inference.networking.k8s.io/v1 InferencePool pool.inferencePool.enabled
END
  if printf '%s\n' "$KINDS" | grep -q '/SecurityContextConstraints$'; then
    say set OpenShift 'it chooses user and group itself' \
      --set security.runAsUser=null --set security.fsGroup=null
  fi
}

LEVEL='{{with .metadata.labels}}{{with index . "pod-security.kubernetes.io/enforce"}}{{.}}{{end}}{{end}}'
check_namespace() {
  ask 'Pod Security' get namespace "$NAMESPACE" -o "go-template=$LEVEL"
  case $? in
    0) say ok 'Pod Security' "$NAMESPACE enforces ${ANSWER:-no level of its own}; all pods are restricted" ;;
    4) say note 'Pod Security' "$NAMESPACE is not there yet: helm makes it" && VALUES+=(--create-namespace) ;;
  esac
}

check_quotas() {
  ask quotas get resourcequotas,limitranges --namespace "$NAMESPACE" -o name || return
  if [ -z "$ANSWER" ]; then
    say ok quotas "$NAMESPACE has none"
  else
    say note quotas "$(listed none): beyond a quota no pod is made, and a default CPU limit throttles the engine"
  fi
}

check_network() {
  say '?' NetworkPolicy 'whether the network plugin enforces it cannot be asked (Calico and Cilium do)'
  ask 'name servers' get pods --namespace kube-system --selector k8s-app=kube-dns -o name || return
  if [ -n "$ANSWER" ]; then
    say ok 'name servers' 'k8s-app=kube-dns in kube-system, as networkPolicy.dns says'
  else
    say note 'name servers' 'not k8s-app=kube-dns in kube-system: name theirs in networkPolicy.dns'
  fi
}

check_priority() {
  ask PriorityClass get priorityclasses -o name || return
  ANSWER=$(lines | sed -n 's|.*/||; /^system-/!p')
  say note PriorityClass "$(listed 'only those of the system'); see pool.scheduling.priorityClassName"
}

check_egress() {
  local image overrides
  image="qwen3-vl-serving:$(sed -n 's/^appVersion: *//p' "$CHART/Chart.yaml")"
  overrides='{"spec":{"automountServiceAccountToken":false,"containers":[{"name":"egress","image":"'$image'",'
  overrides+='"command":["python","-c","import urllib.request as r; print(r.urlopen(\"https://huggingface.co/api/models/Qwen/Qwen3-VL-8B-Thinking\", timeout=20).status)"],'
  overrides+='"securityContext":{"runAsNonRoot":true,"runAsUser":10001,"allowPrivilegeEscalation":false,'
  overrides+='"capabilities":{"drop":["ALL"]},"seccompProfile":{"type":"RuntimeDefault"}}}]}}'
  say '?' 'egress' 'only a pod can tell whether weights can be reached; 200 is printed by:'
  echo "      kubectl run egress -n $NAMESPACE --rm -i --restart=Never --image=$image --overrides='$overrides'"
}

check_secret() { # NAME STATE USE MAKE…: one that the chart expects.
  local name=$1 state=$2 use=$3
  ask Secret get secret "$name" --namespace "$NAMESPACE" --no-headers
  case $? in
    0) say ok Secret "$name is there, $use" ;;
    4) say "$state" Secret "$name is missing, $use: $4" ;;
  esac
}

check_secrets() {
  local fullname=$RELEASE-qwen3-vl
  case $RELEASE in *qwen3-vl*) fullname=$RELEASE ;; esac
  check_secret "$fullname-keys" stop 'which pods wait for' \
    "(echo keys: && python -m serving keys hash --new alice) > keys.yaml && kubectl create secret generic $fullname-keys -n $NAMESPACE --from-file=keys.yaml"
  check_secret "$fullname-client-key" note 'for helm test and load tests' \
    "kubectl create secret generic $fullname-client-key -n $NAMESPACE --from-file=key=FILE"
}

OWNERS='{{range .items}}{{.metadata.namespace}}/{{index .metadata.labels "app.kubernetes.io/instance"}}
{{end}}'
check_releases() {
  ask releases get deployments --all-namespaces --selector app.kubernetes.io/name=qwen3-vl \
    -o "go-template=$OWNERS" || return
  if lines | grep -qx "$NAMESPACE/$RELEASE"; then
    VERB=upgrade
    say note releases "$NAMESPACE/$RELEASE is installed: this would be its upgrade"
  else
    ANSWER=$(lines | sort -u)
    say ok releases "$(listed 'none yet')"
  fi
}

while [ $# -gt 0 ]; do
  case $1 in
    -n | --namespace) NAMESPACE=${2:?-n needs a namespace} && shift ;;
    --release) RELEASE=${2:?--release needs a name} && shift ;;
    --cpu) CPU=true ;;
    -h | --help) usage && exit 0 ;;
    *) echo "Unknown option $1: see deploy/preflight.sh --help." >&2 && exit 2 ;;
  esac
  shift
done
command -v kubectl >/dev/null || { echo 'kubectl is not on PATH: install it.' >&2 && exit 2; }

check_version
if [ -z "$CPU" ]; then
  check_gpus
  check_runtime_class
fi
check_storage
check_kinds
check_namespace
check_quotas
check_network
check_priority
check_egress
check_secrets
check_releases
say note image 'qwen3-vl-serving from the default registry: add --set image.repository= as make images prints it'
printf '\nhelm %s %s helm/qwen3-vl -n %s' "$VERB" "$RELEASE" "$NAMESPACE"
for word in ${VALUES[@]+"${VALUES[@]}"}; do
  case $word in --*) printf ' \\\n  %s' "$word" ;; *) printf ' %s' "$(quoted "$word")" ;; esac
done
echo
exit $EXIT
