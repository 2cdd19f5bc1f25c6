"""An X-ray source: power, and an exposure trigger."""

from __future__ import annotations

import attr
import numpy as np
from labgrid.driver import Driver
from labgrid.driver.exception import ExecutionError
from labgrid.factory import target_factory
from labgrid.resource import Resource

from fisherlens.models.mammography.acquisition import Exposure
from fisherlens.models.mammography.phantom import Pose

from ..protocols import XRaySourceProtocol

_PLACES = 6


@target_factory.reg_resource
@attr.s(eq=False)
class XRayGenerator(Resource):
    """least, most: air kerma at the detector that it can give, uGy. The defaults are mammography's."""

    least: float = attr.ib(default=20.0, converter=float)
    most: float = attr.ib(default=400.0, converter=float)


@target_factory.reg_driver
@attr.s(eq=False)
class SimulatedSourceDriver(Driver, XRaySourceProtocol):
    """Exposes the phantom, which lies in one of a few places, as when it is put there by hand. They are few so that
    the panel need not simulate anew where nothing but the noise is new."""

    bindings = {"generator": XRayGenerator}  # noqa: RUF012 - labgrid reads it from the class
    seed: int = attr.ib(default=0, validator=attr.validators.instance_of(int))

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._rng = np.random.default_rng([self.seed, 3])
        self._poses = [self._pose() for _ in range(_PLACES)]
        self._is_on = False
        self.exposed: Exposure | None = None

    @Driver.check_active
    def on(self) -> None:
        self._is_on = True

    @Driver.check_active
    def off(self) -> None:
        self._is_on = False

    @Driver.check_active
    def expose(self, air_kerma: float) -> Exposure:
        if not self._is_on:
            raise ExecutionError("the X-ray source is off")
        if not self.generator.least <= air_kerma <= self.generator.most:
            given = f"{air_kerma:g} uGy asked for"
            raise ExecutionError(f"{given}, the source gives {self.generator.least:g} to {self.generator.most:g} uGy")
        pose = self._poses[int(self._rng.integers(_PLACES))]
        self.exposed = Exposure(air_kerma=air_kerma, pose=pose)
        return self.exposed

    def _pose(self) -> Pose:
        shift = self._rng.uniform(-1.0, 1.0, 2)
        return Pose(float(shift[0]), float(shift[1]), float(self._rng.uniform(-0.5, 0.5)), 1.01)
