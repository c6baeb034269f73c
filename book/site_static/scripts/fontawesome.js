// Takes the place of the theme's script of this name. The icons come from the theme's fonts; the script would
// bring all of them a second time, 1.5 MB on every page.
