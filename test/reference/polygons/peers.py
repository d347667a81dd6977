"""Intersection over union, by Shapely, of the pairs of polygons in a JSON file (polygonCases of cases.ts), as JSON; and whether it calls each simple."""

import json
import sys
from importlib.metadata import version

from shapely.geometry import Polygon

pairs = [[Polygon(points) for points in pair] for pair in json.load(open(sys.argv[1]))]
assert all(p.is_valid for pair in pairs for p in pair), "cases.ts makes simple polygons"
print(
    json.dumps(
        {
            "peers": {"shapely": version("shapely")},
            "iou": [a.intersection(b).area / a.union(b).area for a, b in pairs],
        }
    )
)
