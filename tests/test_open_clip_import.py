"""open_clip imports whatever build of torchvision lies beside torch, and only once."""

import subprocess
import sys

from clipheads.open_clip_import import import_open_clip


def run(code: str) -> str:
    """Run code in a fresh interpreter, where nothing is imported yet."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_it_is_open_clip_and_the_same_module_each_time() -> None:
    module = import_open_clip()
    assert module.__name__ == "open_clip"
    assert import_open_clip() is module


def test_image_transforms_work_after_the_import() -> None:
    code = (
        "from clipheads.open_clip_import import import_open_clip\n"
        "clip = import_open_clip()\n"
        "from PIL import Image\n"
        "from open_clip.transform import PreprocessCfg, image_transform_v2\n"
        "t = image_transform_v2(PreprocessCfg(size=32), is_train=False)\n"
        "print(tuple(t(Image.new('RGB', (50, 40))).shape))\n"
    )
    assert run(code) == "(3, 32, 32)"


def test_operators_are_declared_only_where_torchvision_could_not() -> None:
    code = (
        "import torch\n"
        "from clipheads import open_clip_import\n"
        "open_clip_import.import_open_clip()\n"
        "import torchvision.extension\n"
        "print(bool(open_clip_import._declarations), torchvision.extension._has_ops())\n"
    )
    declared, compiled = run(code).split()
    assert declared != compiled


def test_other_failures_of_torchvision_are_not_hidden() -> None:
    code = (
        "import sys\n"
        "from clipheads.open_clip_import import import_open_clip\n"
        "class Broken:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torchvision':\n"
        "            raise RuntimeError('broken wheel')\n"
        "sys.meta_path.insert(0, Broken())\n"
        "try:\n"
        "    import_open_clip()\n"
        "except RuntimeError as error:\n"
        "    print(error)\n"
    )
    assert run(code) == "broken wheel"
