"""A clone of the project with tiny requirement files, which is set up without any network."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
PINS = {
    "engine-cpu.txt": "torch==2.13.0+cpu\n",
    "engine-cuda.txt": "enginecuda==1.0\n",
    "gateway.txt": "gatewaypart==1.0\n",
    "dev.txt": "# a comment\ndevpart==1.0\n",
    "prove.txt": "provepart==1.0\n",
    "chart.txt": "chartpart==1.0\n",
}


def make_layer(package: str) -> bytes:
    """Build an archive of programs as the packages bring them, each of which says its name."""
    layer, archive = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(layer, "w") as programs:
        for name in ("helm", "kubectl"):
            programs.writestr(f"{name}/{name}", f"#!/bin/sh\necho {name} of {package}\n")
    member = tarfile.TarInfo("package/lib/layer.zip")
    member.size = layer.tell()
    with tarfile.open(fileobj=archive, mode="w:gz") as package_files:
        package_files.addfile(member, io.BytesIO(layer.getvalue()))
    return archive.getvalue()


# Archives with programs that say which package they are of: (package, program within it).
LAYERS = {
    f"aws_cdk/lambda_layer_kubectl_{package}/_jsii/layer.tgz": make_layer(package)
    for package in ("v32", "v37")
}
H200 = "GPU-1, 0, 143771, 143155, 9.0, {driver}, NVIDIA H200"


class Clone:
    """A clone of the project with tiny requirement files and a folder of wheels for pip."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "clone"
        self.wheels = folder / "wheels"
        self.programs = folder / "programs"
        self.sites = folder / "sites"
        for path in (self.wheels, self.programs, self.sites):
            path.mkdir()
        for name in (
            "catalogue.py",
            "failure.py",
            "engine/choice.py",
            "engine/hardware.py",
            "engine/shape.py",
        ):
            target = self.root / "serving" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "serving" / name, target)
        requirements = self.root / "deploy" / "requirements"
        requirements.mkdir(parents=True)
        for program in ("setup.py", "chart_programs.py"):
            shutil.copy(ROOT / "deploy" / program, self.root / "deploy")
        for name, content in PINS.items():
            (requirements / name).write_text(content)
            distribution, version = content.splitlines()[-1].split("==")
            make_wheel(self.wheels, distribution, version, LAYERS if name == "chart.txt" else {})

    def setup(
        self, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the set-up as make does, without any network."""
        environment = {
            "PATH": f"{self.programs}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "HOME": str(self.sites),
            "PYTHONPATH": str(self.sites),
            "CUDA_VISIBLE_DEVICES": "",
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            **(environ or {}),
        }
        return subprocess.run(
            [sys.executable, str(self.root / "deploy" / "setup.py"), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def installed(self, venv: str = ".venv") -> set[str]:
        records = (self.root / venv).glob("lib/python*/site-packages/*.dist-info")
        return {record.name.partition("-")[0] for record in records} - {"pip", "setuptools"}

    def pretend(self, part: str, value: str) -> None:
        """Let Python believe that it runs on another operating system or processor."""
        (self.sites / "sitecustomize.py").write_text(
            f"import platform; platform.{part} = lambda: {value!r}"
        )

    def add_gpu(self, driver: str = "580.95.05") -> None:
        """Put a program on PATH that answers as nvidia-smi does on a machine with an H200."""
        program = self.programs / "nvidia-smi"
        answer = H200.format(driver=driver)
        program.write_text(f"#!/bin/sh\ncase $1 in --query-gpu=*) echo '{answer}';; esac\n")
        program.chmod(0o755)

    def add_node_clients(self, lock: str, *, registry_answers: bool = True) -> None:
        """Add a lock file and, on PATH, what clears and fills a folder as `npm ci` does."""
        clients = self.root / "tests" / "clients-node"
        clients.mkdir(parents=True, exist_ok=True)
        (clients / "package-lock.json").write_text(lock)
        program = self.programs / "npm"
        program.write_text(
            "#!/bin/sh\n[ $1 = ci ] && [ $2 = --prefix ] && rm -rf $3/node_modules\n"
            + ("mkdir $3/node_modules\n" if registry_answers else "exit 1\n")
        )
        program.chmod(0o755)


def make_wheel(
    folder: Path, name: str, version: str, payload: Mapping[str, bytes] | None = None
) -> None:
    """Build the smallest wheel that pip installs, with more files where they are given."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, content in {f"{name}.py": b"", **(payload or {})}.items():
            wheel.writestr(path, content)
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
