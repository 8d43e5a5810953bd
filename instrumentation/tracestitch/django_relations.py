"""Which relation of a model a lazy load of Django's follows: a mark on the query, from where the relation is asked
to where the statement is sent. It is plain data, since queries are copied and pickled."""

import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache
from types import ModuleType
from typing import Any, NamedTuple

from tracestitch.patching import replace
from tracestitch.safety import guard

_MARK = "_tracestitch_relation"
_SENDING = "_tracestitch_sending"
_MARKING = guard("marking a lazy load")
# Where the query is made out of our sight: (relation, loader) of what is being loaded.
_LOADING: ContextVar[tuple[str, str] | None] = ContextVar("tracestitch-loading", default=None)


class Asked(NamedTuple):
    """What Django's ORM asks for with a statement."""

    model: str
    relation: str = ""
    """`shop.Order.customer`, where rows are looked up for one object that was loaded before."""
    loader: str = ""
    """What would have loaded them with the list: `select_related`, `prefetch_related`, `Prefetch` where the rows
    are filtered further than by the relation, or `only` of a deferred field."""


def patch_descriptors(module: ModuleType) -> None:
    replace(module.ForwardManyToOneDescriptor, "get_queryset", _marking_forward)
    replace(module.ReverseOneToOneDescriptor, "get_queryset", _marking_forward)
    replace(module, "create_reverse_many_to_one_manager", _marking_managers(_accessor))
    replace(module, "create_forward_many_to_many_manager", _marking_managers(_of_many))


def patch_generic(module: ModuleType) -> None:
    replace(module, "create_generic_related_manager", _marking_managers(_field))
    descriptor = getattr(module, "GenericForeignKeyDescriptor", None)  # from Django 6.1
    if descriptor is not None:
        replace(descriptor, "fetch_one", _loading_generic)
    else:
        replace(module.GenericForeignKey, "__get__", _loading_generic)


def patch_models(module: ModuleType) -> None:
    replace(module.Model, "refresh_from_db", _loading_deferred)


def patch_compiler(module: ModuleType) -> None:
    replace(module.SQLCompiler, "execute_sql", _sending)


def sending(connection: Any) -> Asked | None:
    """What the ORM asks with the statement that this connection is about to send; None of SQL written by hand."""
    query = connection.__dict__.get(_SENDING)
    if query is None:
        return None
    model = query.model._meta.label if query.model is not None else ""
    mark = query.__dict__.get(_MARK)
    if mark is None:
        loading = _LOADING.get()
        # Which model a generic relation leads to is itself looked up, once.
        known = loading is not None and model != "contenttypes.ContentType"
        return Asked(model, *loading) if loading is not None and known else _plain(model)
    relation, loader, conditions = mark
    if loader == "prefetch_related" and (query.is_sliced or len(query.where.children) > conditions):
        loader = "Prefetch"
    return Asked(model, relation, loader)


@lru_cache(maxsize=1_000)
def _plain(model: str) -> Asked:
    return Asked(model)


def _sending(original: Any) -> Callable[..., Any]:
    def execute_sql(self: Any, *args: Any, **kwargs: Any) -> Any:
        connection = self.connection
        connection._tracestitch_sending = self.query
        try:
            return original(self, *args, **kwargs)
        finally:
            connection._tracestitch_sending = None

    return execute_sql


def _marking_forward(original: Any) -> Callable[..., Any]:
    def get_queryset(self: Any, *args: Any, **hints: Any) -> Any:
        queryset = original(self, *args, **hints)
        with _MARKING:
            instance = hints.get("instance")
            if instance is not None and "prefetch" not in sys._getframe(1).f_code.co_name:
                field = getattr(self, "field", None)
                name = field.name if field is not None else self.related.get_accessor_name()
                _mark(queryset, instance, name, "select_related")
        return queryset

    return get_queryset


def _loading_generic(original: Any) -> Callable[..., Any]:
    def fetch(self: Any, instance: Any, *args: Any, **kwargs: Any) -> Any:
        token = None
        with _MARKING:
            if instance is not None:
                name = getattr(self, "field", self).name
                token = _LOADING.set((f"{instance._meta.label}.{name}", "prefetch_related"))
        if token is None:
            return original(self, instance, *args, **kwargs)
        try:
            return original(self, instance, *args, **kwargs)
        finally:
            with _MARKING:
                _LOADING.reset(token)

    return fetch


def _loading_deferred(original: Any) -> Callable[..., Any]:
    """Django reads a deferred field by refreshing the one field that the object lacks."""

    def refresh_from_db(self: Any, *args: Any, **kwargs: Any) -> Any:
        token = None
        with _MARKING:
            fields = kwargs.get("fields")
            if fields and len(fields) == 1 and fields[0] not in self.__dict__:
                token = _LOADING.set((f"{self._meta.label}.{fields[0]}", "only"))
        if token is None:
            return original(self, *args, **kwargs)
        try:
            return original(self, *args, **kwargs)
        finally:
            with _MARKING:
                _LOADING.reset(token)

    return refresh_from_db


def _accessor(rel: Any, _reverse: bool) -> str:
    return str(rel.get_accessor_name())


def _field(rel: Any, _reverse: bool) -> str:
    return str(rel.field.name)


def _of_many(rel: Any, reverse: bool) -> str:
    return _accessor(rel, reverse) if reverse else _field(rel, reverse)


def _marking_managers(name_of: Callable[[Any, bool], str]) -> Callable[[Any], Callable[..., Any]]:
    """Of a function that makes the class of a related manager: `(superclass, rel[, reverse])`."""

    def make(original: Any) -> Callable[..., Any]:
        def create_manager(superclass: Any, rel: Any, *args: Any, **kwargs: Any) -> Any:
            manager = original(superclass, rel, *args, **kwargs)
            with _MARKING:
                name = name_of(rel, bool(args[0] if args else kwargs.get("reverse")))
                manager._apply_rel_filters = _marking_filters(manager._apply_rel_filters, name)
            return manager

        return create_manager

    return make


def _marking_filters(original: Any, name: str) -> Callable[..., Any]:
    def _apply_rel_filters(self: Any, queryset: Any) -> Any:
        filtered = original(self, queryset)
        with _MARKING:
            # Django puts the relation's own conditions off until the query is looked at.
            put_off = len(self.core_filters) if getattr(filtered, "_deferred_filter", None) else 0
            _mark(filtered, self.instance, name, "prefetch_related", put_off)
        return filtered

    return _apply_rel_filters


def _mark(queryset: Any, instance: Any, name: str, loader: str, conditions: int = 0) -> None:
    query = queryset._query  # as it lies there: to ask for `.query` is to look at it
    setattr(query, _MARK, (f"{instance._meta.label}.{name}", loader, conditions + len(query.where.children)))
