# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that copy disks to image files, and the requests made from them."""

from __future__ import annotations

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    InvalidRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.disk_image_copy import (
    CopyRequest,
    ImageRequest,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.image_files import (
    COMPRESSIONS,
    FORMATS,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.images.jobs import (
    Following,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._module.spec import (
    Params,
    Spec,
)

COPY: Spec = {
    "images": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "serial": {"type": "str", "required": True},
            "size": {"type": "int", "required": True},
            "dest": {"type": "path", "required": True},
        },
    },
    "format": {"type": "str", "default": "qcow2", "choices": list(FORMATS)},
    "compression": {"type": "str", "default": "none", "choices": list(COMPRESSIONS)},
    "device_timeout": {"type": "float", "default": 60.0},
    "snapshot": {"type": "str", "default": ""},
}


def disk_image_copy_request(params: Params) -> CopyRequest:
    """Read the options of ``disk_image_copy``."""
    return CopyRequest(
        images=tuple(ImageRequest(**image) for image in params["images"]),
        format=params["format"],
        compression=params["compression"],
        device_timeout=params["device_timeout"],
        snapshot=params["snapshot"],
    )


DISK_IMAGE_COPY: Spec = {
    **COPY,
    "wait_seconds": {"type": "float"},
    "follower": {"type": "str", "default": ""},
    "title": {"type": "str", "default": ""},
    "reconnect_timeout": {"type": "float", "default": 600.0},
    "return_after": {"type": "float", "default": 0.0},
}


def following(params: Params) -> Following:
    """Return how ``disk_image_copy`` follows the copy. Titles and connections belong to the controller.

    Raises:
        InvalidRequest: ``wait_seconds`` is less than nothing, or the next call could not be told from a
            stranger's.
    """
    if params["wait_seconds"] is not None and params["wait_seconds"] < 0:
        raise InvalidRequest(
            f"{option('wait_seconds')} must not be less than 0 seconds: {params['wait_seconds']}."
        )
    if params["wait_seconds"] is not None and not params["follower"]:
        raise InvalidRequest(
            f"{option('wait_seconds')} needs {option('follower')}.",
            hint="Use the same word in all calls for one copy. Only these calls get its result.",
        )
    return Following(params["wait_seconds"], params["follower"])
