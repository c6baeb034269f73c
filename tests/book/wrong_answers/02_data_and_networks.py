"""Plausible wrong answers to the exercises of chapter 2; every check must turn them down."""

import math

import torch
import torch.nn.functional as F

CHANNEL = (0, 2, 3)


def scaled(images, like, dim):
    std, mean = torch.std_mean(like, dim=dim, keepdim=True)
    return (images - mean) / std


def wrong_1_test_statistics(train_pixels, test_pixels):
    return scaled(train_pixels, train_pixels, CHANNEL), scaled(test_pixels, test_pixels, CHANNEL)


def wrong_1_both_splits(train_pixels, test_pixels):
    everything = torch.cat([train_pixels, test_pixels])
    return scaled(train_pixels, everything, CHANNEL), scaled(test_pixels, everything, CHANNEL)


def wrong_1_each_image(train_pixels, test_pixels):
    return scaled(train_pixels, train_pixels, (2, 3)), scaled(test_pixels, test_pixels, (2, 3))


def wrong_1_one_mean_for_all_channels(train_pixels, test_pixels):
    dim = (0, 1, 2, 3)
    return scaled(train_pixels, train_pixels, dim), scaled(test_pixels, train_pixels, dim)


def wrong_1_each_pixel_position(train_pixels, test_pixels):
    return scaled(train_pixels, train_pixels, 0), scaled(test_pixels, train_pixels, 0)


def wrong_1_variance(train_pixels, test_pixels):
    var, mean = torch.var_mean(train_pixels, dim=CHANNEL, keepdim=True)
    return (train_pixels - mean) / var, (test_pixels - mean) / var


def wrong_1_in_place(train_pixels, test_pixels):
    std, mean = torch.std_mean(train_pixels, dim=CHANNEL, keepdim=True)
    return train_pixels.sub_(mean).div_(std), test_pixels.sub_(mean).div_(std)


def wrong_2_one_set(std_a, std_b, difference):
    return math.ceil(4 * std_a**2 / difference**2)


def wrong_2_spreads_added(std_a, std_b, difference):
    return math.ceil(4 * (std_a + std_b) ** 2 / difference**2)


def wrong_2_one_standard_error(std_a, std_b, difference):
    return math.ceil((std_a**2 + std_b**2) / difference**2)


def wrong_2_no_square_root(std_a, std_b, difference):
    return math.ceil(2 * math.hypot(std_a, std_b) / abs(difference))


def wrong_2_rounded_down(std_a, std_b, difference):
    return int(4 * (std_a**2 + std_b**2) / difference**2)


def wrong_2_not_whole(std_a, std_b, difference):
    return 4 * (std_a**2 + std_b**2) / difference**2


def window(images, down, right):
    height, width = images.shape[-2:]
    padded = F.pad(images, (2, 2, 2, 2))
    return padded[..., 2 - down : 2 - down + height, 2 - right : 2 - right + width]


def wrong_3_in_place(images, draw):
    images.copy_(window(images.clone(), *draw))
    return images


def wrong_3_draws_inside(images, draw):
    down, right = torch.randint(-2, 3, (2,)).tolist()
    return window(images, down, right)


def wrong_3_other_way(images, draw):
    return window(images, -draw[0], -draw[1])


def wrong_3_exchanged(images, draw):
    return window(images, draw[1], draw[0])


def wrong_3_comes_in_again(images, draw):
    return images.roll(tuple(draw), (2, 3))


def wrong_3_border_repeated(images, draw):
    height, width = images.shape[-2:]
    top, left = 2 - draw[0], 2 - draw[1]
    return F.pad(images, (2, 2, 2, 2), mode="replicate")[
        ..., top : top + height, left : left + width
    ]


def wrong_3_each_image_its_own(images, draw):
    each = [window(x[None], draw[0], draw[1] if i == 0 else -draw[1]) for i, x in enumerate(images)]
    return torch.cat(each)


def wrong_3_no_gradient(images, draw):
    return window(images.detach(), *draw)
