"""Prints the evaluation, and the best gamma for each number of steps."""

from .measure import GAMMAS, REAL_IMAGES, UNET_CALLS, Point, get_name

Key = tuple[str, int]


def index_points(points: list[Point]) -> dict[Key, Point]:
    """Returns the points by method and number of UNet calls."""
    return {(point.method, point.unet_calls): point for point in points}


def get_best(points: list[Point], unet_calls: int) -> list[float]:
    """Returns the gammas within two standard errors of the lowest distance, best first."""
    found = index_points(points)
    known = [(found[get_name(gamma), unet_calls], gamma) for gamma in GAMMAS if (get_name(gamma), unet_calls) in found]
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
    found = index_points(points)
    methods = list(dict.fromkeys(point.method for point in points if point.unet_calls))
    print(f"\n{title}\n{'UNet calls':<26}" + "".join(f"{unet_calls:<14}" for unet_calls in UNET_CALLS))
    for method in methods:
        cells = []
        for unet_calls in UNET_CALLS:
            point = found.get((method, unet_calls))
            text = f"{getattr(point, value):.{digits}f} ±{getattr(point, error):.{digits}f}" if point else "-"
            cells.append(f"{text:<14}")
        print(f"{method:<26}" + "".join(cells))
    real = found.get((REAL_IMAGES, 0))
    if real is not None:
        print(f"{REAL_IMAGES:<26}{getattr(real, value):.{digits}f} ±{getattr(real, error):.{digits}f}")


def print_table(points: list[Point]) -> None:
    print_rows(points, "Fréchet distance to real images (less is better)", "distance", "distance_error", 2)
    print_rows(points, "Share of the caption in the image (more is better)", "accuracy", "accuracy_error", 3)
    print("\nBest gamma by the distance, and those within two standard errors of it:")
    for unet_calls in UNET_CALLS[1:]:  # a single step has no gamma
        best = get_best(points, unet_calls)
        if best:
            print(f"{unet_calls:>4} steps: {best[0]:g}" + "".join(f", {gamma:g}" for gamma in best[1:]))
