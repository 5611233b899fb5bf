"""The evaluation in figures, and which gamma comes out best."""

from .measure import EVALUATIONS, GAMMAS, REAL_IMAGES, Point, get_name

Key = tuple[str, int]


def by_key(points: list[Point]) -> dict[Key, Point]:
    return {(point.method, point.evaluations): point for point in points}


def get_best(points: list[Point], evaluations: int) -> list[float]:
    """The gammas whose distance is not told apart from the least one's, best first: less than two standard errors."""
    found = by_key(points)
    known = [
        (found[get_name(gamma), evaluations], gamma) for gamma in GAMMAS if (get_name(gamma), evaluations) in found
    ]
    known.sort(key=lambda pair: pair[0].distance)
    if not known:
        return []
    best = known[0][0]
    return [
        gamma
        for point, gamma in known
        if point.distance - best.distance < 2 * (point.distance_error**2 + best.distance_error**2) ** 0.5
    ]


def print_rows(points: list[Point], title: str, value: str, error: str, digits: int) -> None:
    found = by_key(points)
    methods = list(dict.fromkeys(point.method for point in points if point.evaluations))
    print(f"\n{title}\n{'evaluations':<26}" + "".join(f"{evaluations:<14}" for evaluations in EVALUATIONS))
    for method in methods:
        cells = []
        for evaluations in EVALUATIONS:
            point = found.get((method, evaluations))
            text = f"{getattr(point, value):.{digits}f} ±{getattr(point, error):.{digits}f}" if point else "-"
            cells.append(f"{text:<14}")
        print(f"{method:<26}" + "".join(cells))
    real = found.get((REAL_IMAGES, 0))
    if real is not None:
        print(f"{REAL_IMAGES:<26}{getattr(real, value):.{digits}f} ±{getattr(real, error):.{digits}f}")


def print_table(points: list[Point]) -> None:
    print_rows(points, "Fréchet distance to real images (less is better)", "distance", "distance_error", 2)
    print_rows(points, "Share of the caption that is right (more is better)", "accuracy", "accuracy_error", 3)
    print("\nBest gamma by the distance, with those that cannot be told from it:")
    for evaluations in EVALUATIONS[1:]:  # a single step has no gamma
        best = get_best(points, evaluations)
        if best:
            print(f"{evaluations:>4} steps: {best[0]:g}" + "".join(f", {gamma:g}" for gamma in best[1:]))
