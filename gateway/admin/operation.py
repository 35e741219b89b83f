"""An operation: a plain function by its name, with its arguments checked against its annotations.

`peers.add` is the function `add` of `gateway.admin.peers`. The arguments come as JSON from a socket, so they are
checked before the call; an unknown or missing one is the caller's mistake, named as such.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from gateway.admin.context import Context
from gateway.admin.plain import Json, plain
from gateway.model.errors import UsageError


@dataclass(frozen=True, slots=True)
class Operation:
    """`function(context, **arguments)` under the name that a caller uses."""

    name: str
    function: Callable[..., object]

    def invoke(self, context: Context, arguments: Mapping[str, Json]) -> Json:
        """Check `arguments`, call the function and return its result as JSON."""
        try:
            checked = self._model().model_validate(arguments)
        except ValidationError as error:
            detail = error.errors()[0]
            where = ".".join(map(str, detail["loc"]))
            raise UsageError(f"{self.name}: argument {where}: {detail['msg']}") from error
        values = {name: getattr(checked, name) for name in type(checked).model_fields}
        return plain(self.function(context, **values))

    def _model(self) -> type[BaseModel]:
        """The arguments after the context, as a model that refuses unknown ones."""
        hints = typing.get_type_hints(self.function)
        parameters = list(inspect.signature(self.function).parameters.values())[1:]
        fields: dict[str, Any] = {
            item.name: (hints[item.name], ... if item.default is item.empty else item.default) for item in parameters
        }
        return create_model(self.name, __config__=ConfigDict(extra="forbid"), **fields)
