"""Where the service answers over HTTP."""

from __future__ import annotations

import attr
from labgrid.factory import target_factory
from labgrid.resource import Resource


@target_factory.reg_resource
@attr.s(eq=False)
class HttpEndpoint(Resource):
    """images: address of the endpoint that takes images; page: of the operator's page. token: file with what the
    endpoint wants to be shown."""

    images: str = attr.ib(validator=attr.validators.instance_of(str))
    page: str = attr.ib(validator=attr.validators.instance_of(str))
    token: str = attr.ib(validator=attr.validators.instance_of(str))
