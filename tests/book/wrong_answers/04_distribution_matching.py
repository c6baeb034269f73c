"""Plausible wrong answers to the exercises of chapter 4; every check must turn them down."""

from ddlib import augment
from ddlib.methods.distribution import mean_feature_distance, mean_features


def one_update(images, optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def wrong_1_pairs(embed, real_images, images, optimizer):
    """The mean distance of all pairs, which also asks that the features be alike."""
    loss = 0.0
    for theirs, mine in zip(real_images, images, strict=True):
        apart = embed(theirs)[:, None] - embed(mine)
        loss = loss + apart.square().sum(2).mean()
    return one_update(images, optimizer, loss)


def wrong_1_classes_mixed(embed, real_images, images, optimizer):
    means = [embed(x.flatten(0, 1)).mean(0) for x in (real_images, images)]
    return one_update(images, optimizer, (means[0] - means[1]).square().sum())


def wrong_1_no_square(embed, real_images, images, optimizer):
    loss = 0.0
    for theirs, mine in zip(real_images, images, strict=True):
        loss = loss + (embed(theirs).mean(0) - embed(mine).mean(0)).norm()
    return one_update(images, optimizer, loss)


def wrong_1_mean_over_features(embed, real_images, images, optimizer):
    loss = 0.0
    for theirs, mine in zip(real_images, images, strict=True):
        loss = loss + (embed(theirs).mean(0) - embed(mine).mean(0)).square().mean()
    return one_update(images, optimizer, loss)


def wrong_1_mean_image(embed, real_images, images, optimizer):
    loss = 0.0
    for theirs, mine in zip(real_images, images, strict=True):
        means = [embed(x.mean(0, keepdim=True)) for x in (theirs, mine)]
        loss = loss + (means[0] - means[1]).square().sum()
    return one_update(images, optimizer, loss)


def wrong_2_two_draws(embed, real, synthetic, draws, kinds):
    changed = []
    for x in (real, synthetic):
        draw = augment.sample(len(x), 1, draws, kinds)
        changed.append(augment.apply(x.flatten(0, 1), draw).view_as(x))
    return mean_feature_distance(embed, *changed)


def wrong_2_draw_for_each_image(embed, real, synthetic, draws, kinds):
    draw = augment.sample(len(real), real.shape[1], draws, kinds)
    few = augment.Draw(draw.kinds, draw.numbers[:, : synthetic.shape[1]])
    pairs = ((real, draw), (synthetic, few))
    changed = (augment.apply(x.flatten(0, 1), d).view_as(x) for x, d in pairs)
    return mean_feature_distance(embed, *changed)


def wrong_2_no_augmentation(embed, real, synthetic, draws, kinds):
    return mean_feature_distance(embed, real, synthetic)


def wrong_2_mean_image(embed, real, synthetic, draws, kinds):
    draw = augment.sample(len(real), 1, draws, kinds)
    one, two = (augment.apply(x.flatten(0, 1), draw).view_as(x) for x in (real, synthetic))
    of_mean = mean_features(embed, two.mean(1, keepdim=True))
    return (mean_features(embed, one) - of_mean).square().sum()


def wrong_3_sign(means):
    return (means - means.mean(0)) / len(means)


def wrong_3_not_averaged(means):
    return means.mean(0) - means


def wrong_3_wrong_axis(means):
    return (means.mean(1, keepdim=True) - means) / len(means)
