"""What a script means by ``import fastscore``.

`engine.script` refuses by name what a script asks of it that is not here.
"""

from engine.sdk import cells, pools

__all__ = ["cells", "pools"]
