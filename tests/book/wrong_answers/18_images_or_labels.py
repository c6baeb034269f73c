"""Plausible wrong answers to the exercises of chapter 18; every check must turn them down."""

from math import e, exp

import ddlib
from ddlib.labels import ipc_within, relabel


def wrong_1_without_temperature(logits, temperature):
    return logits.softmax(1)


def wrong_1_times(logits, temperature):
    return (logits * temperature).softmax(1)


def wrong_1_overflows(logits, temperature):
    powers = (logits / temperature).exp()
    return powers / powers.sum(1, keepdim=True)


def wrong_1_over_images(logits, temperature):
    return (logits / temperature).softmax(0)


def few(data, ipc):
    return ddlib.distill(data, ddlib.RandomSelection(ipc=ipc))


def wrong_2_labels_are_free(data, teacher, numbers):
    ipc = ipc_within(numbers, data.shape, len(data.classes), soft=False)
    return relabel(few(data, ipc), teacher)


def wrong_2_hard(data, teacher, numbers):
    return few(data, ipc_within(numbers, data.shape, len(data.classes), soft=True))


def wrong_2_one_image(data, teacher, numbers):
    return relabel(few(data, 1), teacher)


def wrong_3_points(real_hard, hard, own, random):
    a = ((own - random) - (real_hard - hard)) / 2
    return 100 * (exp(min(a, 50)) - 1 / e) / (e - 1 / e)


def wrong_3_own_labels_in_both(real_hard, hard, own, random):
    a = ((own - random) - (real_hard - own)) / 200
    return 100 * (exp(a) - 1 / e) / (e - 1 / e)


def wrong_3_gain_alone(real_hard, hard, own, random):
    a = (own - random) / 100
    return 100 * (exp(a) - 1 / e) / (e - 1 / e)
