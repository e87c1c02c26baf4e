"""Has SQLAlchemy load with `selectin` what Neutron's models ask to load by `subquery`; imported before the models.

Both load the same objects in as many queries. A subquery is built anew from the original query for every row that is
read, which was half of what Neutron's server did; `selectin` asks by primary keys and keeps its compiled statements.
"""

from sqlalchemy.orm import RelationshipProperty, strategies  # type: ignore[import-not-found]

RelationshipProperty.strategy_for(lazy="subquery")(strategies.SelectInLoader)
