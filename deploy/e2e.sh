#!/usr/bin/env bash
# Leads a release through its life on the cluster that KUBECONFIG names. `main`, at the end, is the
# list of steps; E2E_PLAN=1 prints the commands and runs none. What it asks goes through a pod of
# its own to the Service, as a port-forward would cut streams that the Service keeps.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

IMAGE=${IMAGE:?IMAGE is the image of the gateway that the cluster can pull: REPOSITORY:TAG}
ENGINE_IMAGE=${ENGINE_IMAGE:-}                        # REPOSITORY:TAG; empty: what VALUES says
VALUES=${VALUES:-helm/qwen3-vl/ci/tiny-on-cpu.yaml}   # the values file that is installed
NAMESPACE=${NAMESPACE:-qwen3-vl-e2e}                  # made here, and deleted at the end
RELEASE=${RELEASE:-e2e}
GPU=${GPU:-}                # 1: preflight asks for GPUs too
HANG=${HANG:-1}             # empty: the engine is not stopped to see it restarted
KEEP=${KEEP:-}              # 1: the namespace stays, for a look at it
STREAMS=${STREAMS:-4}       # as many at a time
START_SECONDS=${START_SECONDS:-900}
LOGS=${LOGS:-$(mktemp -d)}  # what is printed about a failure is kept here too

case $RELEASE in *qwen3-vl*) FULLNAME=$RELEASE ;; *) FULLNAME=$RELEASE-qwen3-vl ;; esac
OURS=app.kubernetes.io/instance=$RELEASE
ASKER=deploy/e2e/asker.py
LOAD='' MADE=''
KEYS=$(mktemp -d)
exec 3>&1

# --- what the steps are made of ---------------------------------------------------------------

run() { # WORDS…: run a command, or print it where only the plan is wanted.
  # In one write: what runs in the background prints too.
  if [ -n "${E2E_PLAN:-}" ]; then printf '%s\n' "$(printf '%q ' "$@")" >&3; else "$@"; fi
}

kube() { run kubectl --namespace "$NAMESPACE" "$@"; }

told() { # OTHERWISE KUBECTL-WORDS…: print what the cluster says; in a plan, other words for it.
  local otherwise=$1 words
  shift
  words=$(kube "$@") || return
  printf '%s' "${words:-${E2E_PLAN:+$otherwise}}"
}

fail() { echo "FAILED: $*" >&2 && exit 1; }

within() { # SECONDS WHAT COMMAND…: repeat a command until it succeeds.
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" || [ -n "${E2E_PLAN:-}" ]; do
    [ $SECONDS -lt $end ] || fail "$what took too long."
    sleep 2
  done
}

image_values() { # KEY IMAGE: print the options that set an image.
  local repository=${2%@*} tag='' digest=''
  case $2 in *@*) digest=${2#*@} ;; esac
  case ${repository##*/} in *:*) tag=${repository##*:} repository=${repository%:*} ;; esac
  [ -n "$tag$digest" ] || fail "$2 has neither tag nor digest: name one."
  echo "--set $1.repository=$repository --set $1.tag=$tag --set $1.digest=$digest"
}

helm_release() { # VERB WORDS…: install or upgrade the release with all values, and wait.
  local verb=$1 images
  shift
  images=$(image_values image "$IMAGE")
  [ -z "$ENGINE_IMAGE" ] || images+=" $(image_values pool.engine.image "$ENGINE_IMAGE")"
  # The options of the images hold no blanks, and are several words.
  # shellcheck disable=SC2086
  run helm "$verb" "$RELEASE" helm/qwen3-vl --namespace "$NAMESPACE" --values "$VALUES" $images \
    --set pool.rollout.mode=surge --wait "$@"
}

client_pod() { # A pod of the gateway's image that sleeps, as the restricted level wants it.
  cat <<END
{"spec": {"terminationGracePeriodSeconds": 0, "automountServiceAccountToken": false,
  "securityContext": {"runAsNonRoot": true, "runAsUser": 10001, "fsGroup": 10001,
    "seccompProfile": {"type": "RuntimeDefault"}},
  "containers": [{"name": "client", "image": "$IMAGE",
    "command": ["python", "-c", "import time; time.sleep(86400)"],
    "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
      "readOnlyRootFilesystem": true},
    "volumeMounts": [{"name": "key", "mountPath": "/key", "readOnly": true},
      {"name": "tmp", "mountPath": "/tmp"}]}],
  "volumes": [{"name": "tmp", "emptyDir": {}},
    {"name": "key", "secret": {"secretName": "$FULLNAME-client-key"}}]}}
END
}

asker() { # WORDS…: ask from within the cluster.
  kube exec --stdin client -- python - "$@" "http://$POOL:$PORT" --key-file /key/key <"$ASKER"
}

start_load() { # WORDS…: let streams run beside the next steps.
  kube exec client -- touch /tmp/load
  : >"$LOGS/load.txt"
  asker stream --streams "$STREAMS" "$@" >"$LOGS/load.txt" 2>&1 &
  LOAD=$!
  within 120 'The first event of every stream' grep -q 'all running' "$LOGS/load.txt"
}

end_load() { # No stream may have been broken.
  kube exec client -- rm -f /tmp/load
  wait "$LOAD" || { cat "$LOGS/load.txt" && fail 'Streams were broken.'; }
  LOAD=''
  tail -n 1 "$LOGS/load.txt"
}

pods() { told POD get pods --selector "$OURS,app.kubernetes.io/name=qwen3-vl" --output name; }

restarts() {
  told 0 get "$1" --output \
    'jsonpath={.status.containerStatuses[?(@.name=="engine")].restartCount}'
}

has_restarted() {
  local now
  now=$(restarts "$1") && [ "$now" != "$2" ]
}

is_available() { # It has its pods, and the Service leads to one: nodes learn that a moment later.
  kube wait --for=condition=Available "deployment/$POOL" --timeout=10s >/dev/null &&
    kube exec client -- python -c \
      "import socket; socket.create_connection(('$POOL', $PORT), 5)" 2>/dev/null
}

has_one_ready_set() { # No pod of an old rollout is left.
  kube rollout status "deployment/$POOL" --timeout="${START_SECONDS}s" >/dev/null &&
    [ "$(pods | wc -w)" = "$(told 1 get "deployment/$POOL" --output 'jsonpath={.spec.replicas}')" ]
}

is_gone() {
  local left
  left=$(kube get deployments,replicasets,pods,jobs,services,configmaps,serviceaccounts,networkpolicies,poddisruptionbudgets \
    --selector "$OURS" --output name --ignore-not-found) || return
  [ -z "$left" ]
}

# --- the steps --------------------------------------------------------------------------------

prepare() {
  printf 'sk-e2e-%s' "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" >"$KEYS/key"
  run kubectl create namespace "$NAMESPACE"
  MADE=1
  run kubectl label namespace "$NAMESPACE" pod-security.kubernetes.io/enforce=restricted
  kube create secret generic "$FULLNAME-client-key" --from-file=key="$KEYS/key"
  kube run client --image="$IMAGE" --restart=Never --overrides="$(client_pod)"
  kube wait --for=condition=Ready pod/client --timeout=300s
  echo keys: >"$KEYS/keys.yaml"
  kube exec --stdin client -- python -m serving keys hash e2e <"$KEYS/key" >>"$KEYS/keys.yaml"
  kube create secret generic "$FULLNAME-keys" --from-file=keys.yaml="$KEYS/keys.yaml"
}

preflight() {
  if [ -n "$GPU" ]; then set --; else set -- --cpu; fi
  run deploy/preflight.sh --namespace "$NAMESPACE" --release "$RELEASE" "$@"
}

install() {
  helm_release install --timeout "${START_SECONDS}s"
  POOL=$(told "$FULLNAME-pool" get deployments --selector "$OURS" \
    --output 'jsonpath={.items[0].metadata.name}')
  PORT=$(told 80 get service "$POOL" --output 'jsonpath={.spec.ports[0].port}')
  within 60 'The Service' is_available
}

ask() { asker ask; }

verify() { run helm test "$RELEASE" --namespace "$NAMESPACE" --logs --timeout "${START_SECONDS}s"; }

upgrade_under_load() {
  local before
  before=$(pods)
  start_load --while /tmp/load
  helm_release upgrade --timeout "${START_SECONDS}s" \
    --set-json 'pool.gateway.extraEnv=[{"name":"E2E_ROLLOUT","value":"2"}]'
  within "$START_SECONDS" 'The end of the old pods' has_one_ready_set
  end_load
  [ -n "${E2E_PLAN:-}" ] || [ "$before" != "$(pods)" ] || fail 'The upgrade changed no pod.'
}

break_a_rollout() {
  local before back=--rollback-on-failure
  case $(helm version --template '{{.Version}}' 2>/dev/null) in v3*) back=--atomic ;; esac
  before=$(pods)
  start_load --while /tmp/load
  if helm_release upgrade --timeout 180s "$back" \
    --set pool.engine.image.tag=no-such-tag --set pool.engine.image.digest=; then
    [ -n "${E2E_PLAN:-}" ] || fail 'A rollout to an image that does not exist succeeded.'
  fi
  within 300 'The end of the broken pods' has_one_ready_set
  end_load
  [ "$before" = "$(pods)" ] || fail 'The broken rollout cost a pod that served.'
}

lose_a_pod() {
  local lost
  lost=$(pods | head -n 1)
  start_load
  kube delete "$lost" --wait=false
  end_load
  kube wait --for=delete "$lost" --timeout="${START_SECONDS}s"
  within "$START_SECONDS" 'A new pod' is_available
  ask
}

hang_the_engine() {
  local pod before
  pod=$(pods | head -n 1)
  before=$(restarts "$pod")
  if ! kube exec --stdin "$pod" --container engine -- python3 - <deploy/e2e/hang.py; then
    echo 'Skipped: the engine cannot be stopped from within its container.'
    return
  fi
  # What hangs is seen by what waits for it; these streams end in an error, as they must.
  asker stream --streams 1 >"$LOGS/hung.txt" 2>&1 &
  within 600 'The restart of a hung engine' has_restarted "$pod" "$before"
  wait $! || true
  within "$START_SECONDS" 'The engine after its restart' is_available
  ask
}

uninstall() {
  run helm uninstall "$RELEASE" --namespace "$NAMESPACE" --wait --timeout "${START_SECONDS}s"
  # The pod of `helm test` is a hook's: Helm leaves it, for its log.
  kube delete pods --selector "$OURS,app.kubernetes.io/component=verify"
  within 300 'The end of all objects but the claim' is_gone
}

# --- around them ------------------------------------------------------------------------------

show_what_happened() {
  local pod
  kube get pods,deployments,jobs,persistentvolumeclaims --output wide
  kube get events --sort-by=.lastTimestamp
  for pod in $(kube get pods --output name); do
    kube describe "$pod"
    kube logs "$pod" --all-containers --prefix --tail=200
    kube logs "$pod" --all-containers --prefix --tail=200 --previous
  done
}

finish() {
  local code=$?
  trap - EXIT
  set +e
  [ $code = 0 ] || [ -z "$MADE" ] || show_what_happened 2>&1 | tee "$LOGS/cluster.txt"
  [ -z "$LOAD" ] || kill "$LOAD" 2>/dev/null
  # A namespace that was there before is somebody else's.
  if [ -n "$MADE" ] && [ -z "$KEEP" ]; then
    [ $code = 0 ] || run helm uninstall "$RELEASE" --namespace "$NAMESPACE" --ignore-not-found
    run kubectl delete namespace "$NAMESPACE" --timeout=600s
  fi
  rm -rf "$KEYS"
  exit $code
}

main() {
  local step
  trap finish EXIT
  for step in prepare preflight install ask verify upgrade_under_load break_a_rollout lose_a_pod \
    ${HANG:+hang_the_engine} uninstall; do
    echo "# $step"
    "$step"
  done
  echo "# done in $SECONDS s"
}

main
