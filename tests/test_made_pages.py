"""Pages of the documentation that commands make: the reference of parameters, the table of packages."""

import re

from pydantic import BaseModel

from docs import packages, parameters
from styleheat import params
from styleheat.params import data, inference, machine, training


def test_the_committed_page_is_the_one_that_the_types_make():
    """But for the values, which are a user's to change."""
    value = re.compile(r"(?<= \| )`[^`]*`(?= \| [^|]*\|$)", re.MULTILINE)
    committed, made = (value.sub("", page) for page in (parameters.PAGE.read_text(), parameters.page()))
    assert committed == made, "run python -m docs.parameters"


def test_every_key_is_described():
    modules = (data, inference, machine, training, params)
    for section in (value for module in modules for value in vars(module).values()):
        if isinstance(section, type) and issubclass(section, BaseModel) and section is not BaseModel:
            described = parameters.descriptions(section)
            plain = {name for name, field in section.model_fields.items() if not _is_group(field.annotation)}
            assert plain <= set(described), (section.__name__, plain - set(described))


def test_every_locked_package_is_in_the_table():
    listed = dict(re.findall(r"^\| (\S+) \| (\S+) \| [^|]+ \|$", packages.PAGE.read_text(), re.MULTILINE))
    listed.pop("package")
    assert listed == packages.locked(packages.LOCK.read_text()), "run python -m docs.packages"


def _is_group(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
