"""Plausible wrong answers to the exercises of chapter 07; every check must turn them down."""

import torch


def _split(end, start, goal):
    leg, walked = goal - start, end - start
    return leg, walked, leg.square().sum(1)


def wrong_1_length_along(end, start, goal):
    leg, walked, length = _split(end, start, goal)
    along = (walked * leg).sum(1) / length.sqrt()
    return along, walked.square().sum(1) / length - along.square() / length


def wrong_1_cosine(end, start, goal):
    leg, walked, length = _split(end, start, goal)
    along = torch.cosine_similarity(walked, leg)
    return along, (walked - along[:, None] * leg).square().sum(1) / length


def wrong_1_from_the_origin(end, start, goal):
    along = (end * goal).sum(1) / goal.square().sum(1)
    return along, (end - along[:, None] * goal).square().sum(1) / goal.square().sum(1)


def wrong_1_not_squared(end, start, goal):
    leg, walked, length = _split(end, start, goal)
    along = (walked * leg).sum(1) / length
    return along, (walked - along[:, None] * leg).norm(dim=1) / length.sqrt()


def wrong_1_whole_walk_aside(end, start, goal):
    leg, walked, length = _split(end, start, goal)
    return (walked * leg).sum(1) / length, walked.square().sum(1) / length


def wrong_2_two_experts(paths, min_start, max_start, ahead, draws):
    one, two = torch.randint(len(paths), (2,), generator=draws)
    start = torch.randint(min_start, max_start, (), generator=draws)
    return paths[one, start], paths[two, start + ahead]


def wrong_2_one_start_too_many(paths, min_start, max_start, ahead, draws):
    expert = torch.randint(len(paths), (), generator=draws)
    start = torch.randint(min_start, max_start + 1, (), generator=draws)
    return paths[expert, start], paths[expert, start + ahead]


def wrong_2_from_epoch_zero(paths, min_start, max_start, ahead, draws):
    expert = torch.randint(len(paths), (), generator=draws)
    start = torch.randint(max_start, (), generator=draws)
    return paths[expert, start], paths[expert, start + ahead]


def wrong_2_next_epoch(paths, min_start, max_start, ahead, draws):
    expert = torch.randint(len(paths), (), generator=draws)
    start = torch.randint(min_start, max_start, (), generator=draws)
    return paths[expert, start], paths[expert, start + 1]


def wrong_2_goal_below_max_start(paths, min_start, max_start, ahead, draws):
    expert = torch.randint(len(paths), (), generator=draws)
    start = torch.randint(min_start, max_start - ahead, (), generator=draws)
    return paths[expert, start], paths[expert, start + ahead]


def wrong_2_global_randomness(paths, min_start, max_start, ahead, draws):
    expert, start = torch.randint(len(paths), ()), torch.randint(min_start, max_start, ())
    return paths[expert, start], paths[expert, start + ahead]


def wrong_2_first_expert_only(paths, min_start, max_start, ahead, draws):
    start = torch.randint(min_start, max_start, (), generator=draws)
    return paths[0, start], paths[0, start + ahead]


def _slope(start, s, goal, lr, steps):
    end = s + (1 - lr) ** steps * (start - s)
    return 2 * (end - goal) / (start - goal).square().sum()


def wrong_3_both_exact(start, s, goal, lr, steps):
    exact = (1 - (1 - lr) ** steps) * _slope(start, s, goal, lr, steps)
    return exact, exact


def wrong_3_both_held(start, s, goal, lr, steps):
    held = steps * lr * _slope(start, s, goal, lr, steps)
    return held, held


def wrong_3_last_step_only(start, s, goal, lr, steps):
    slope = _slope(start, s, goal, lr, steps)
    return (1 - (1 - lr) ** steps) * slope, lr * slope


def wrong_3_not_normalized(start, s, goal, lr, steps):
    slope = _slope(start, s, goal, lr, steps) * (start - goal).square().sum()
    return (1 - (1 - lr) ** steps) * slope, steps * lr * slope


def wrong_3_slope_by_the_start(start, s, goal, lr, steps):
    slope = _slope(start, s, goal, lr, steps)
    return (1 - lr) ** steps * slope, steps * lr * slope
