"""Plausible wrong answers to the exercises of chapter 10; every check must turn them down."""

import torch


def wrong_1_swapped(n, m, lr):
    return lr * (n + m) / n, lr * n / (n + m)


def wrong_1_share_of_the_guests(n, m, lr):
    return lr * m / (n + m), lr * (n + m) / max(m, 1)


def wrong_1_always_half(n, m, lr):
    return lr / 2, lr * 2


def wrong_1_undiluted(n, m, lr):
    return lr * n / (n + m), lr


def wrong_2_in_the_order_of_the_data(labels, order, k):
    return torch.cat([(labels == c).nonzero()[:k, 0] for c in range(4)])


def wrong_2_places_instead_of_rows(labels, order, k):
    return torch.cat([(labels[order] == c).nonzero()[:k, 0] for c in range(4)])


def wrong_2_not_class_after_class(labels, order, k):
    seen, rows = [0] * 4, []
    for row in order.tolist():
        if seen[labels[row]] < k:
            seen[labels[row]] += 1
            rows.append(row)
    return torch.tensor(rows, dtype=torch.long)


def wrong_2_not_by_class(labels, order, k):
    return order[: 4 * k]


def wrong_3_plain_mean(losses, n, share):
    return losses.mean()


def wrong_3_weights_not_divided(losses, n, share):
    return (share * losses[:n].sum() + (1 - share) * losses[n:].sum()) / len(losses)


def wrong_3_turned_around(losses, n, share):
    return (1 - share) * losses[:n].mean() + share * losses[n:].mean()


def wrong_3_divides_by_zero(losses, n, share):
    return share * losses[:n].mean() + (1 - share) * losses[n:].mean()
